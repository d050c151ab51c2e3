/**
 * From a head to the request under way, by the kind of the handler that the router names for it.
 *
 * @module
 */

import { handlerFor, type HttpContext, type HttpRouter } from "../mod.ts";
import type { ExchangeHost, Http1Exchange } from "./exchange_host.ts";
import type { ParsedHead } from "./message/mod.ts";
import { Http1StreamExchange } from "./stream_exchange.ts";
import { Http1WholeExchange } from "./whole_exchange.ts";

/** What requests are made with. */
export interface ExchangeSurroundings {
  readonly router: HttpRouter;
  readonly host: ExchangeHost;
  readonly context: HttpContext;
}

/** The request with this head, not opened yet. */
export function exchangeFor(
  { head, framing: { bodyBytes } }: ParsedHead,
  { router, host, context }: ExchangeSurroundings,
): Http1Exchange {
  const handler = handlerFor(head, { router, cors: context.cors });
  if (handler.kind === "whole") {
    return new Http1WholeExchange(handler, { head, bodyBytes }, { host, context });
  }
  return new Http1StreamExchange(handler, { head, bodyBytes }, host);
}
