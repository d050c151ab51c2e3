/**
 * Which names a node answers to. A page of a foreign site can make its own name lead to a node's address (DNS
 * rebinding) and is then, for the browser, of the same origin as the node; but the name that the browser asks
 * for is still the site's. So requests for names that are not the node's are refused with status 421.
 *
 * An address in digits cannot be rebound, and `localhost` is nobody's to give away, so both pass.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import type { HttpRouter, RequestHead, StreamHandler, WholeAnswer, WholeHandler } from "./exchange.ts";

const PORT = /:\d*$/;

/** See the module comment. */
export class HostRule {
  readonly #names: ReadonlySet<string>;

  /** @param names that pass beside addresses and `localhost`: host names, with or without a port */
  constructor(names: Iterable<string>) {
    this.#names = new Set([...names].map(hostOf));
  }

  /**
   * Whether a request may be served.
   *
   * @param authority `host` or `host:port`, from `Host` or `:authority`. The port does not matter. An empty
   *   one passes: only programs can send none, browsers always say whom they mean
   */
  isAllowed(authority: string): boolean {
    const host = hostOf(authority);
    return host === "" || host === "localhost" || isAddress(host) || this.#names.has(host);
  }

  /** For the person whose request is refused. */
  refusal(authority: string): string {
    return `Cannot serve the host ${authority}: start the node with --allowed-hosts ${hostOf(authority)} ` +
      "to allow it, or use an address that it advertises\n";
  }
}

/** Routes for requests that name a host which the rule allows; the others are refused with 421. */
export class GuardedRouter implements HttpRouter {
  readonly #rule: HostRule;
  readonly #router: HttpRouter;
  /** Callers name the same host again and again. */
  #lastAllowed = "";

  constructor(rule: HostRule, router: HttpRouter) {
    this.#rule = rule;
    this.#router = router;
  }

  route(head: RequestHead): WholeHandler | StreamHandler {
    const { authority } = head;
    if (authority !== this.#lastAllowed) {
      if (!this.#rule.isAllowed(authority)) return this.#refuse();
      this.#lastAllowed = authority;
    }
    return this.#router.route(head);
  }

  #refuse(): WholeHandler {
    const answer = ({ authority }: RequestHead): WholeAnswer => ({
      status: 421,
      headers: [["content-type", "text/plain; charset=utf-8"]],
      body: new TextEncoder().encode(this.#rule.refusal(authority)),
    });
    return { kind: "whole", bodyLimitBytes: 0, answer, refuse: answer };
  }
}

/** Four numbers, which is what browsers make of every other form of an IPv4 address; or IPv6 in brackets. */
function isAddress(host: string): boolean {
  if (!host.startsWith("[")) return isIPv4(host);
  return host.endsWith("]") && !host.includes("%") && isIPv6(host.slice(1, -1));
}

/** The host of an authority in lower case, without its port and without the dot that ends a full name. */
function hostOf(authority: string): string {
  return authority.toLowerCase().replace(PORT, "").replace(/\.$/, "");
}
