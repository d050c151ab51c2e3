/**
 * What a replica does with the entries that its group has committed: keys and values, or the cluster's own
 * state.
 *
 * @module
 */

import type { LogIndex } from "../../raft/mod.ts";
import type { ReadResult } from "../api/mod.ts";
import type { Outcome } from "../kv/mod.ts";

/** A deterministic state machine: the same entries make the same state everywhere. */
export interface StateMachine {
  /** Bytes of memory that the state takes, on top of the entries it is made of. */
  readonly memoryBytes: number;
  /** Index of the last entry applied. */
  readonly appliedIndex: LogIndex;
  /** Replicated time the state stands at, in milliseconds; 0 where time means nothing. */
  readonly timeMs: number;
  /** Applies the command of the entry at `index`, which is above the last one. */
  apply(index: LogIndex, command: Uint8Array): Outcome;
  /** Takes note of an entry that changes nothing. */
  skip(index: LogIndex): void;
  /** What `key` holds, `undefined` for no such key. */
  get(key: Uint8Array): ReadResult;
}
