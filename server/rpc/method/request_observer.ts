/**
 * How each call ended is told to metrics, which come from outside, and to the log if it should never happen.
 *
 * @module
 */

import type { ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { getLogger } from "@logtape/logtape";
import { DomainError, type RefusalMeters } from "../../api/mod.ts";
import { isExpected, toConnectError } from "./connect_error.ts";

const logger = getLogger(["prkdb", "rpc"]);

/** Takes note of finished calls. Must not throw. */
export interface RequestObserver extends RefusalMeters {
  /**
   * @param method as in `Put`
   * @param code `ok`, or the name of a Connect code
   * @param seconds from the end of the headers to the answer
   */
  observe(method: string, code: string, seconds: number): void;
}

/**
 * Takes note that a call failed, and logs what is a defect of the node.
 *
 * @returns what the caller gets to read
 */
export function noteFailure(
  { requests, method, startedMs }: NotedCall,
  error: unknown,
): ConnectError {
  const shown = toConnectError(error);
  if (!isExpected(error)) logger.error("{method} failed: {error}", { method, error });
  if (error instanceof DomainError) requests.observeRefusal(error);
  requests.observe(method, codeToString(shown.code), (performance.now() - startedMs) / 1000);
  return shown;
}

/** Takes note that a call succeeded. */
export function noteSuccess({ requests, method, startedMs }: NotedCall): void {
  requests.observe(method, "ok", (performance.now() - startedMs) / 1000);
}

/** A call under way. */
export interface NotedCall {
  readonly requests: RequestObserver;
  readonly method: string;
  /** By `performance.now()`. */
  readonly startedMs: number;
}
