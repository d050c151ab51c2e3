/**
 * How long a gRPC call may take: the header `grpc-timeout`, and a timer for streams.
 *
 * A unary call gets as much as any call may have, however much it asks for, because it holds a place in the
 * node while it waits. A stream may go on for as long as its caller likes.
 *
 * Source: gRPC over HTTP/2, "Timeout".
 *
 * @module
 */

import { type CallerPresence, invalidArgument, type NodeCallOptions } from "../api/mod.ts";
import { type CallHeaders, callOptions, isDirect } from "../rpc/method/mod.ts";

const TIMEOUT_VALUE = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** No timer of the runtime reaches further: 2^31 − 1, which is 24 days. */
const TIMER_MS_MAX = 2_147_483_647;

/**
 * What `grpc-timeout` allows, in milliseconds, fractions included.
 *
 * @param value as in `100m`; `null` when the caller names none
 * @returns `undefined` when the caller names none
 * @throws {DomainError} `invalidArgument` for what is no timeout
 */
export function parseGrpcTimeout(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = grpcTimeoutMs(value);
  // The words of the Connect router, which reads the same header in gRPC-Web.
  if (ms === undefined) throw invalidArgument(`protocol error: invalid grpc timeout value: ${value}`);
  return ms;
}

/** The same; `undefined` for what is no timeout. */
export function grpcTimeoutMs(value: string): number | undefined {
  const parts = TIMEOUT_VALUE.exec(value);
  return parts === null ? undefined : Number(parts[1]) * UNIT_MS[parts[2]!]!;
}

/**
 * Options of a unary call: its time is at most five minutes.
 *
 * @throws {DomainError} `invalidArgument` for what is no timeout, `deadline` for one that has passed
 */
export function unaryOptions(headers: CallHeaders, caller?: CallerPresence): NodeCallOptions {
  return callOptions({
    timeoutMs: parseGrpcTimeout(headers.get("grpc-timeout")),
    direct: isDirect(headers),
    caller,
  });
}

/**
 * Calls `onDeadline` once when `timeoutMs` have passed.
 *
 * @param timeoutMs above 0, however long; `undefined` for never
 * @returns ends the wait
 */
export function startDeadline(timeoutMs: number | undefined, onDeadline: () => void): () => void {
  if (timeoutMs === undefined) return () => {};
  let left = Math.ceil(timeoutMs);
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => {
    const stretch = Math.min(left, TIMER_MS_MAX);
    left -= stretch;
    timer = setTimeout(left > 0 ? wait : onDeadline, stretch);
  };
  wait();
  return () => clearTimeout(timer);
}
