/**
 * How entries get into a leader's log.
 *
 * @module
 */

import { entryBytes } from "./log.ts";
import type { ProposeResult } from "./ready.ts";
import type { ReplicaState } from "./state.ts";
import { type Entry, EntryKind, type LogIndex } from "./types.ts";

const NO_BYTES = new Uint8Array(0);

/** Appends `data` to the log; it is sent at the end of the turn. */
export function propose(state: ReplicaState, data: Uint8Array): ProposeResult {
  const { config, leader } = state;
  if (state.role !== "leader") return { accepted: false, refusal: "notLeader", leader };
  if (state.transfer !== undefined) return { accepted: false, refusal: "transferring", leader };
  const entry = nextEntry(state, { kind: EntryKind.command, data });
  // A proposal of any size passes when nothing waits, or it never could.
  if (state.uncommittedBytes > 0 && state.uncommittedBytes + entryBytes(entry) > config.uncommittedBytesMax) {
    return { accepted: false, refusal: "overloaded", leader };
  }
  return accept(state, entry);
}

/** Appends a change of membership, whose bytes count against no limit. */
export function proposeMembership(state: ReplicaState, data: Uint8Array): ProposeResult {
  return accept(state, nextEntry(state, { kind: EntryKind.membership, data }));
}

/** Appends an entry that carries nothing, whose bytes count against no limit; returns its index. */
export function proposeEmpty(state: ReplicaState): LogIndex {
  const entry = nextEntry(state, { kind: EntryKind.empty, data: NO_BYTES });
  accept(state, entry);
  return entry.index;
}

function nextEntry(state: ReplicaState, content: Pick<Entry, "kind" | "data">): Entry {
  return { index: state.log.lastIndex + 1, term: state.term, kind: content.kind, data: content.data };
}

function accept(state: ReplicaState, entry: Entry): ProposeResult {
  state.log.append(entry);
  state.uncommittedBytes += entryBytes(entry);
  state.isFlushDue = true;
  return { accepted: true, index: entry.index, term: entry.term };
}
