/**
 * The two ports of a node: HTTP/1.1 and HTTP/2, guarded by the names that the node answers to, and traced.
 *
 * @module
 */

import { VERSION } from "./api/mod.ts";
import type { ServerConfig } from "./config/mod.ts";
import { startHttp1 } from "./http/h1/mod.ts";
import { startHttp2 } from "./http/h2/mod.ts";
import { GuardedRouter, HostRule, type HttpContext, type HttpRouter, TcpListener } from "./http/mod.ts";
import { activeTracer, TracedRouter } from "./http/tracing/mod.ts";

/** A port that is bound. */
export interface ListeningPort {
  /** `host:port`, in the form that stands in a URL. */
  readonly address: string;
  /** From now on requests are answered; until then they are refused with 503. */
  serve(router: HttpRouter): void;
  /** Takes nothing new in; resolves when everything under way is answered. */
  close(): Promise<void>;
}

/** Where to listen, and how. */
export interface PortOptions extends Pick<ServerConfig, "host" | "hostNames"> {
  /** 0 for any free one. */
  readonly port: number;
  readonly context: HttpContext;
}

/** A port cannot be bound; `cause` is what the system says. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly port: number;

  constructor(port: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.port = port;
  }
}

/**
 * Binds a port at once.
 *
 * @throws {ListenError} when it is taken, or cannot be bound for another reason
 */
export function openPort({ hostNames, ...options }: PortOptions): ListeningPort {
  const listener = bind(options);
  const rule = new HostRule(hostNames);
  return {
    address: listener.address,
    serve: (router) => void (listener.router = traced(new GuardedRouter(rule, router))),
    close: () => listener.close(),
  };
}

function bind({ host, port, context }: Omit<PortOptions, "hostNames">): TcpListener {
  try {
    return new TcpListener({ hostname: host, port, context, http1: startHttp1, http2: startHttp2 });
  } catch (error) {
    throw new ListenError(port, error);
  }
}

/** The runtime makes spans of its own server's requests only. */
function traced(router: HttpRouter): HttpRouter {
  const tracer = activeTracer("prkdb", VERSION);
  return tracer === undefined ? router : new TracedRouter(router, tracer);
}
