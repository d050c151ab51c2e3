/**
 * What other replicas of the group have promised to this one, remembered so that they can be reminded of it:
 * a replica that was put back to an earlier state has forgotten its votes and what it acknowledged, and cannot
 * know that by itself.
 *
 * ```
 *   votes for this replica in term t             it has been in term t
 *   acknowledges entry i to this leader          … and holds the log up to i durably
 *   leads term t and calls i committed           … and holds the log up to i durably (`replication.ts`)
 * ```
 *
 * Only what is committed is kept for long: whoever held a committed entry durably must hold it for ever, or
 * have compacted it. Entries that are not committed may be replaced by a later leader, so they are promised
 * only for the term in which they were acknowledged, and the leader of that term has them in its progress
 * anyway. Nothing is written for a promise alone: it goes to disk with the next commit hint.
 *
 * @module
 */

import type { BrokenPromise } from "./contradiction.ts";
import type { RaftLog } from "./log.ts";
import type { ReplicaState } from "./state.ts";
import { type LogIndex, NO_NODE, type NodeId, type PeerPromise, type Reminder, type Term } from "./types.ts";

/** Promised up to an entry, in a term. */
interface Held {
  readonly term: Term;
  readonly through: LogIndex;
}

/** The promises of all other replicas of a group. */
export class PeerPromises {
  readonly #byNode = new Map<NodeId, PeerPromise>();
  /** Nodes whose promise has risen since it was written. */
  readonly #unwritten = new Set<NodeId>();

  constructor(written: readonly PeerPromise[]) {
    for (const promise of written) this.#byNode.set(promise.node, promise);
  }

  of(node: NodeId): PeerPromise | undefined {
    return this.#byNode.get(node);
  }

  /** `node` has been in the term, and holds what is committed of `log` as far as it has said. */
  raise(node: NodeId, { term, through }: Held, log: RaftLog): void {
    const before = this.#byNode.get(node) ?? { node, term: 0, index: 0, indexTerm: 0 };
    const index = Math.min(through, log.committed);
    const indexTerm = index > before.index ? log.termAt(index) : undefined;
    if (term <= before.term && indexTerm === undefined) return;
    const held = indexTerm === undefined ? before : { index, indexTerm };
    const { index: heldIndex, indexTerm: heldTerm } = held;
    const raised = { node, term: Math.max(term, before.term), index: heldIndex, indexTerm: heldTerm };
    this.#byNode.set(node, raised);
    this.#unwritten.add(node);
  }

  /** What has risen since the last call, to be written. */
  takeUnwritten(): readonly PeerPromise[] {
    const promises = [...this.#unwritten].map((node) => this.#byNode.get(node)!);
    this.#unwritten.clear();
    return promises;
  }
}

/** Takes note of what the current term has brought; nothing is lost if that is done late, but in the role. */
export function notePromises(state: ReplicaState): void {
  const { leader, leaderHolds, log, progress, promises, role, self, term, votes } = state;
  for (const { node, matchIndex } of progress?.followers ?? []) {
    if (node !== self && matchIndex > 0) promises.raise(node, { term, through: matchIndex }, log);
  }
  if (leader !== NO_NODE && leader !== self) promises.raise(leader, { term, through: leaderHolds }, log);
  if (role !== "candidate") return;
  for (const [node, granted] of votes) {
    if (granted && node !== self) promises.raise(node, { term, through: 0 }, log);
  }
}

/** All that `node` has promised to this replica. */
export function remindersFor(state: ReplicaState, node: NodeId): readonly Reminder[] {
  notePromises(state);
  const { group, log, progress, promises, term } = state;
  const reminders: Reminder[] = [];
  const promise = promises.of(node);
  if (promise !== undefined) {
    const { index, indexTerm } = promise;
    reminders.push({ group, term: promise.term, index, indexTerm, isCommitted: true });
  }
  const index = progress?.follower(node)?.matchIndex ?? 0;
  const indexTerm = index > log.committed ? log.termAt(index) : undefined;
  if (indexTerm !== undefined) reminders.push({ group, term, index, indexTerm, isCommitted: false });
  return reminders;
}

/** What this replica has forgotten of what it is reminded of, `undefined` if nothing. */
export function findBrokenPromise(state: ReplicaState, reminder: Reminder): BrokenPromise | undefined {
  const { log, term } = state;
  const { index, indexTerm, isCommitted } = reminder;
  const isOwed = isCommitted || term === reminder.term;
  const isHeld = index <= log.snapshotIndex || log.termAt(index) === indexTerm;
  if (term >= reminder.term && (!isOwed || isHeld)) return undefined;
  return { ...reminder, here: { term, lastIndex: log.lastIndex, lastTerm: log.lastTerm } };
}
