/**
 * What a replica does with the entries that its group has committed: keys and values, or the cluster's own
 * state.
 *
 * @module
 */

import type { LogIndex } from "../../raft/mod.ts";
import type { ReadResult } from "../api/mod.ts";
import type { ExpiredLimits, Outcome, StateChange } from "../kv/mod.ts";

/** A deterministic state machine: the same entries make the same state everywhere. */
export interface StateMachine {
  /** Bytes of memory that the state takes. */
  readonly memoryBytes: number;
  /** Index of the last entry applied. */
  readonly appliedIndex: LogIndex;
  /** Replicated time the state stands at, in milliseconds; 0 where time means nothing. */
  readonly timeMs: number;
  /** The earliest replicated time at which a key expires or has expired; `undefined` if none ever does. */
  readonly earliestExpiryMs: number | undefined;
  /** Applies the command of the entry at `index`, which is above the last one. */
  apply(index: LogIndex, command: Uint8Array): Outcome;
  /** Takes note of an entry that changes nothing. */
  skip(index: LogIndex): void;
  /**
   * Becomes what its store holds, whose rows are what the entries up to `index` amount to: in pieces of much
   * less than a millisecond, with the last of which all of it takes effect.
   */
  restoring(index: LogIndex): Generator<void>;
  /** Pieces of the state that the store does not have as they are. */
  readonly unsavedCount: number;
  /**
   * Rows of such pieces, at most `countMax`: the store must be given them at the index that is applied now.
   * With all of them it holds the whole state.
   */
  takeUnsaved(countMax: number): readonly StateChange[];
  /** What `key` holds, `undefined` for no such key. */
  get(key: Uint8Array): ReadResult;
  /** Replicated time, above that of the state, at which `key` expires; `undefined` if it never does. */
  expiresAtMs(key: Uint8Array): number | undefined;
  /**
   * The latest time, above that of the state and up to `nowMs`, at which any key expires; `undefined` if
   * there is none. With many keys that are due it may say `Infinity` for either.
   */
  latestDueMs(nowMs: number): number | undefined;
  /** Keys whose time is `nowMs` or before, the earliest first, up to the first that is beyond the limits. */
  expiredKeys(nowMs: number, limits: ExpiredLimits): readonly Uint8Array[];
}
