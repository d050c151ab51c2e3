/**
 * A client's call on its way through the node loop: the part of it that concerns one partition, and where the
 * result goes. A call is settled exactly once.
 *
 * @module
 */

import { type CallerPresence, DomainError, type ReadConsistency, type ReadResult } from "../api/mod.ts";
import type { Outcome } from "../kv/mod.ts";

/** A result, or why there is none. */
export type CallResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: DomainError };

/** How long a call waits. */
export interface CallWait {
  /** By the node's monotonic clock. */
  readonly deadlineMs: number;
  /** See `NodeCallOptions.caller`. */
  readonly caller?: CallerPresence | undefined;
}

interface CallBase<T> extends CallWait {
  readonly partitionId: number;
  /**
   * Whether another node may be asked: not when the caller forbids it, nor when this node was itself asked.
   */
  readonly mayForward: boolean;
  readonly settle: (result: CallResult<T>) => void;
}

/** One encoded command for one partition. */
export interface WriteCall extends CallBase<Outcome> {
  readonly kind: "write";
  readonly command: Uint8Array;
}

/** Keys of one partition. */
export interface ReadCall extends CallBase<readonly ReadResult[]> {
  readonly kind: "read";
  readonly keys: readonly Uint8Array[];
  readonly consistency: ReadConsistency;
  readonly maxStalenessMs: number;
}

/** Either. */
export type Call = WriteCall | ReadCall;

/** A call on its way to the node's loop. */
export interface CallInput {
  readonly kind: "call";
  readonly call: Call;
}

/** Where calls wait for the loop: the node's inbox. */
export interface CallInbox {
  push(input: CallInput): void;
}

/** Whether nobody waits for `call` any more: its deadline has passed, or its caller has left. */
export function isOver({ caller, deadlineMs }: CallWait, nowMs: number): boolean {
  return deadlineMs <= nowMs || caller?.hasLeft === true;
}

/** Fails a call that {@linkcode isOver}; `late` if its caller has waited to the end. */
export function failOver(call: Call, late: DomainError): void {
  failCall(call, call.caller?.hasLeft === true ? callerLeft() : late);
}

/** Settles any call with an error. */
export function failCall(call: Call, error: DomainError): void {
  call.settle({ ok: false, error });
}

/** Nobody reads it; metrics count it. */
function callerLeft(): DomainError {
  return new DomainError({ kind: "cancelled" }, "The caller has left before there was an answer");
}
