/**
 * What can be asked of the client as a whole and of a single call, with the defaults and their reasons.
 *
 * @module
 */

import type { Consistency } from "../codec/mod.ts";
import type { ClientClock, UnaryCaller } from "../transport/mod.ts";
import type { PreconditionOption } from "./argument.ts";

/** Answers of a node that say "not now" before the last of them is surfaced; the contract's three. */
export const ATTEMPTS_DEFAULT = 3;

/**
 * Two batches in flight keep the leader busy while the answer to one is on its way; more only make batches
 * smaller.
 */
export const BATCHES_IN_FLIGHT_DEFAULT = 2;

/** Beyond this, batches of one leader only compete with each other. */
export const BATCHES_IN_FLIGHT_MAX = 16;

/** Of a client. */
export interface ClientOptions {
  /** Deadline of calls that name none, in milliseconds, 1 to 300,000; 10,000 unless given. */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a node may answer "not now" to a call (1 or more, 3 unless given). Elections and nodes that
   * cannot be reached are not counted but waited for until the deadline.
   */
  readonly attempts?: number;
  /** Joined batches of a kind in flight to one leader, 1 to 16; 2 unless given. */
  readonly batchesInFlight?: number;
  /** Sent with every call over HTTP, for example `authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Carries the calls, instead of `fetch`. */
  readonly caller?: UnaryCaller;
  /** Time, instead of the machine's. */
  readonly clock?: ClientClock;
  /**
   * Numbers in `[0, 1)`, instead of the platform's, for delays, the order in which nodes are asked, and the
   * client id.
   */
  readonly random?: () => number;
}

/** Of every call. */
export interface CallOptions {
  /** Ends the wait; the call rejects with the signal's reason. A write may take effect all the same. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now, 1 to 300,000; the client's `timeoutMs` unless given. */
  readonly timeoutMs?: number | undefined;
}

/** Of a `delete`. */
export interface DeleteOptions extends CallOptions {
  /** The write is refused with a `PreconditionError` unless this holds. */
  readonly precondition?: PreconditionOption | undefined;
}

/** Of a `put`. */
export interface PutOptions extends DeleteOptions {
  /**
   * Milliseconds until the key expires, 1 to 3,155,760,000,000 (a hundred years). Unless given it never does,
   * whatever an earlier write has said.
   */
  readonly ttlMs?: number | undefined;
}

/** Of an `increment`. */
export interface IncrementOptions extends DeleteOptions {
  /**
   * Milliseconds until the key expires, 1 to 3,155,760,000,000 (a hundred years). Unless given that stays as
   * it is; a key that is made by the increment then never expires.
   */
  readonly ttlMs?: number | undefined;
}

/** Of a read. */
export interface ReadOptions extends CallOptions {
  /**
   * `linearizable` unless given: reflects every write acknowledged before the read began. `follower` is
   * linearizable too but asks a follower; `stale` is whatever the asked replica holds.
   */
  readonly consistency?: Consistency | undefined;
}

/** Of a read of one key. */
export interface GetOptions extends ReadOptions {
  /** With `stale`: how old the state may be, in milliseconds, 1 or more; any age unless given. */
  readonly maxStalenessMs?: number | undefined;
}
