/**
 * From recovered log records to the replicas they belong to: what the core is born from.
 *
 * @module
 */

import type { Entry, GroupId, HardState, Membership, Restored } from "../../raft/mod.ts";
import type { RecoveredRecord } from "../../wal-wasm/mod.ts";
import { decodeRecord } from "./wal_codec.ts";

const NEW_BORN: HardState = { term: 0, vote: 0, commit: 0 };

/** Collects records, oldest first, and gives each group what is left of them. */
export class RecoveryCollector {
  readonly #groups = new Map<GroupId, { hardState: HardState; entries: Entry[] }>();

  /** Takes the next record of the log. */
  take(record: RecoveredRecord): void {
    const decoded = decodeRecord(record.kind, record.payload);
    const state = this.#group(record.group);
    if (decoded.kind === "hardState") state.hardState = decoded.hardState;
    else appendEntry(state.entries, decoded.entry);
  }

  /** Groups of which the log holds anything. */
  groups(): readonly GroupId[] {
    return [...this.#groups.keys()];
  }

  /** What the replica of `group` on this node is born from; `initial` is its membership before any change. */
  restore(group: GroupId, initial: Membership): Restored {
    const { hardState, entries } = this.#groups.get(group) ?? { hardState: NEW_BORN, entries: [] };
    const commit = Math.min(hardState.commit, entries.at(-1)?.index ?? 0);
    const snapshot = { index: 0, term: 0, membership: initial };
    return { hardState: { ...hardState, commit }, snapshot, entries };
  }

  #group(group: GroupId): { hardState: HardState; entries: Entry[] } {
    let state = this.#groups.get(group);
    if (state === undefined) {
      state = { hardState: NEW_BORN, entries: [] };
      this.#groups.set(group, state);
    }
    return state;
  }
}

/** An entry replaces all that were written before at its index and above. */
function appendEntry(entries: Entry[], entry: Entry): void {
  const first = entries[0]?.index ?? 1;
  const position = entry.index - first;
  if (position < 0 || position > entries.length) {
    throw new RangeError(
      `Cannot restore entry ${entry.index}: the log holds entries ${first} to ${first + entries.length - 1}`,
    );
  }
  entries.length = position;
  entries.push(entry);
}
