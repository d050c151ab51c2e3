/**
 * A listening port of our own: it accepts connections, finds out which version of HTTP each of them speaks,
 * and keeps their number within its bound.
 *
 * The port is bound before there is anything to serve behind it, so that a start that must fail because it is
 * taken has changed nothing; until there is a router, requests are answered with 503. When the process has no
 * file descriptor left, which may come long before the bound, accepting fails: then connections make room as
 * at the bound, and accepting is tried again after a while.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { ConnectionSet } from "./connection_set.ts";
import type { HttpRouter, RequestHead, StreamHandler, WholeHandler } from "./exchange.ts";
import type { HttpContext } from "./limits.ts";
import { Patrol } from "./patrol.ts";
import type { HttpProtocol } from "./protocol.ts";
import { SocketChannel } from "./socket_channel.ts";
import { VersionedConnection } from "./versioned_connection.ts";

/** How long nothing is accepted when there was no descriptor for a connection. */
const REOPEN_MS = 100;
/** Connections that are ended at once for their descriptors; the node needs some for its files too. */
const FREED_AT_ONCE = 16;
/** After that; they are free when the loop has turned. */
const FREED_MS = 1;
/** A shortage is told once in so long. */
const SHORTAGE_LOG_MS = 10_000;

const logger = getLogger(["prkdb", "server"]);

/** What a listener is made of. */
export interface TcpListenerOptions {
  readonly hostname: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly context: HttpContext;
  readonly http1: HttpProtocol;
  /** Connections that open with the preface of HTTP/2; without it HTTP/1.1 refuses them with 505. */
  readonly http2?: HttpProtocol;
}

/** See the module comment. */
export class TcpListener implements HttpRouter {
  readonly #listener: Deno.TcpListener;
  readonly #options: TcpListenerOptions;
  readonly #patrol: Patrol;
  readonly #connections: ConnectionSet;
  #isClosed = false;
  #shortageLoggedMs = -Infinity;
  /** When connections were last ended for their descriptors. */
  #freedMs = -Infinity;
  /** Chooses who answers; set once there is something to serve. */
  router: HttpRouter | undefined;

  /**
   * Binds the port at once.
   *
   * @throws {Deno.errors.AddrInUse} when it is taken
   */
  constructor(options: TcpListenerOptions) {
    const { hostname, port, context } = options;
    this.#options = options;
    this.#patrol = new Patrol(context.limits);
    this.#connections = new ConnectionSet(context);
    this.#listener = Deno.listen({ hostname, port });
    void this.#acceptAll();
  }

  /** `host:port`, in the form that stands in a URL. */
  get address(): string {
    const { hostname, port } = this.#listener.addr;
    return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  }

  /** Takes nothing new in; resolves when everything under way is answered and every connection has ended. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#listener.close();
    }
    await this.#connections.drain();
  }

  route(head: RequestHead): WholeHandler | StreamHandler {
    return this.router === undefined ? STARTING : this.router.route(head);
  }

  /** Never rejects. */
  async #acceptAll(): Promise<void> {
    while (!this.#isClosed) {
      try {
        this.#serve(await this.#listener.accept());
      } catch (error) {
        if (this.#isClosed) return;
        this.#logShortage(error);
        const isFreed = isDescriptorShortage(error) && this.#freeDescriptors();
        await new Promise((resolve) => setTimeout(resolve, isFreed ? FREED_MS : REOPEN_MS));
      }
    }
  }

  /** @returns whether there will be descriptors in a moment */
  #freeDescriptors(): boolean {
    const nowMs = performance.now();
    // A shortage is told before anybody waits. Those who took the places of the last ones that were ended
    // need time for their first request, or they would be the next to go.
    if (nowMs - this.#freedMs < REOPEN_MS) return false;
    let freed = 0;
    while (freed < FREED_AT_ONCE && this.#connections.evictOne()) freed++;
    if (freed > 0) this.#freedMs = nowMs;
    return freed > 0;
  }

  #logShortage(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#shortageLoggedMs < SHORTAGE_LOG_MS) return;
    this.#shortageLoggedMs = nowMs;
    logger.error("Port {port} cannot take a connection: {error}; trying again every {everyMs} ms", {
      port: this.#listener.addr.port,
      error: String(error),
      everyMs: REOPEN_MS,
    });
  }

  #serve(socket: Deno.TcpConn): void {
    if (!this.#connections.makeRoom()) return socket.close();
    try {
      socket.setNoDelay(true);
      // A client whose machine is gone says nothing, and a stream that has no news would wait for ever.
      socket.setKeepAlive(true);
    } catch {
      // It has gone already, which reading will tell.
    }
    const connection = new VersionedConnection({
      channel: new SocketChannel(socket),
      protocols: this.#options,
      router: this,
      context: this.#options.context,
      patrol: this.#patrol,
    });
    this.#connections.add(connection);
  }
}

/** Whether the process (EMFILE) or the system (ENFILE) has no file descriptor left. */
function isDescriptorShortage(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EMFILE" || code === "ENFILE";
}

const encoder = new TextEncoder();
const STARTING_ANSWER = {
  status: 503,
  headers: [["content-type", "text/plain; charset=utf-8"]],
  body: encoder.encode("the node is starting\n"),
} as const;

const STARTING: WholeHandler = {
  kind: "whole",
  // A body may never end, as a peer's does.
  bodyLimitBytes: 0,
  answer: () => STARTING_ANSWER,
  refuse: () => STARTING_ANSWER,
};
