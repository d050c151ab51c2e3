/**
 * Who answers a request, by its head: HTTP itself the preflights of pages, the router's choice all else. And
 * what callers and the operator get when a handler or a router throws, against its promise: an answer with
 * status 500 that tells nothing of the inside, and a line in the log that does.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { CorsPolicy } from "./cors.ts";
import {
  errorText,
  type HttpRouter,
  type RequestHead,
  type StreamHandler,
  type WholeAnswer,
  type WholeHandler,
} from "./exchange.ts";

const logger = getLogger(["prkdb", "server"]);

const HANDLER_FAILED: WholeAnswer = {
  status: 500,
  headers: [["content-type", "text/plain; charset=utf-8"]],
  body: new TextEncoder().encode("internal error\n"),
};

/** What the choice depends on. */
export interface HandlerChoice {
  readonly router: HttpRouter;
  readonly cors: CorsPolicy | undefined;
}

/** The handler for `head`. Never throws. */
export function handlerFor(head: RequestHead, { router, cors }: HandlerChoice): WholeHandler | StreamHandler {
  try {
    return cors?.preflight(head) ?? router.route(head);
  } catch (error) {
    return failedRoute(error);
  }
}

/** The answer when a handler has thrown; the operator gets a line. */
export function handlerFailed(error: unknown): WholeAnswer {
  logger.error("A request failed unexpectedly: {error}", { error: errorText(error) });
  return HANDLER_FAILED;
}

/** Where a request goes when the router has thrown. */
function failedRoute(error: unknown): WholeHandler {
  const answer = () => handlerFailed(error);
  return { kind: "whole", bodyLimitBytes: 0, answer, refuse: answer };
}
