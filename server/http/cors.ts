/**
 * Cross-origin access: which pages' scripts may call a node. A page of a foreign origin is answered without
 * the headers that would let its script read the answer, and its preflights are refused.
 *
 * Both is the business of HTTP and not of handlers: the connections ask here for whatever they answer, their
 * own refusals too, so that a page that may call can read what was wrong with its call.
 *
 * Source: Fetch standard, "HTTP CORS protocol".
 *
 * @module
 */

import { cors } from "@connectrpc/connect";
import type { HeaderPairs, RequestHead, WholeAnswer, WholeHandler } from "./exchange.ts";

/** Pages served by this machine, on any port. */
const LOOPBACK_ORIGIN = /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

/** Two hours, the longest that browsers keep a preflight's answer. */
const PREFLIGHT_SECONDS = 7_200;

const OWN_HEADERS = ["Prkdb-Route", "Prkdb-Cluster", "Authorization"];
/** What libraries that trace pages add to their calls. */
const TRACE_HEADERS = ["Traceparent", "Tracestate"];

const PREFLIGHT_HEADERS: readonly (readonly [string, string])[] = [
  ["access-control-allow-methods", cors.allowedMethods.join(", ")],
  [
    "access-control-allow-headers",
    [...cors.allowedHeaders, ...OWN_HEADERS, ...TRACE_HEADERS].join(", "),
  ],
  ["access-control-max-age", String(PREFLIGHT_SECONDS)],
];
const EXPOSED = cors.exposedHeaders.join(", ");

/**
 * What an origin can look like at all. It is repeated in answers, of heads too that were refused unread: no
 * line may end in it, and it must be small.
 */
const ORIGIN = /^[\x21-\x7e]{1,300}$/;

const VARY = ["vary", "Origin"] as const;

const ALLOWED = preflightHandler({ status: 204, headers: PREFLIGHT_HEADERS, body: new Uint8Array() });

/** Decides about origins. */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string> | undefined;

  /**
   * @param origins exactly as browsers send them, or `*` for all; `undefined` for those of loopback addresses
   */
  constructor(origins: readonly string[] | undefined) {
    this.#origins = origins === undefined ? undefined : new Set(origins);
  }

  /** Whether a page of `origin` may call. */
  isAllowed(origin: string): boolean {
    if (!ORIGIN.test(origin)) return false;
    if (this.#origins === undefined) return LOOPBACK_ORIGIN.test(origin);
    return this.#origins.has("*") || this.#origins.has(origin);
  }

  /**
   * Who answers when a browser asks whether a page may call, wherever the call is to go: a wrong path, too,
   * can only be told to a page whose preflight was answered. `undefined` for all other requests.
   */
  preflight({ method, headers }: RequestHead): WholeHandler | undefined {
    if (method !== "OPTIONS") return undefined;
    const origin = headers.get("origin");
    if (origin === null) return undefined;
    return this.isAllowed(origin) ? ALLOWED : preflightHandler(refusal(origin));
  }

  /**
   * The fields of an answer, with what the browser needs to hand it to a page of `origin`.
   *
   * @param origin `null` for programs
   */
  admitFields(fields: HeaderPairs, origin: string | null): HeaderPairs {
    if (origin === null) return fields;
    if (!this.isAllowed(origin)) return [...fields, VARY];
    const allow = ["access-control-allow-origin", origin] as const;
    return [...fields, VARY, allow, ["access-control-expose-headers", EXPOSED]];
  }
}

function preflightHandler(answer: WholeAnswer): WholeHandler {
  return { kind: "whole", bodyLimitBytes: 0, answer: () => answer, refuse: () => answer };
}

/** For people: browsers do not show it to pages. */
function refusal(origin: string): WholeAnswer {
  const text = `Cannot allow calls by pages of ${origin}: start the node with --cors-origin ${origin} to ` +
    "allow them\n";
  return {
    status: 403,
    headers: [["content-type", "text/plain; charset=utf-8"]],
    body: new TextEncoder().encode(text),
  };
}
