/**
 * How it shows that a replica has lost what it promised, and what is said about it. Two replicas can tell:
 * one that is reminded of its own promise (`promises.ts`) and does not hold it, and one whose leader
 * contradicts what is committed here. A leader has every committed entry (§5.4.3), so such a leader has lost
 * some, or was elected by others who have.
 *
 * @module
 */

import type { RaftLog } from "./log.ts";
import type { AppendRequest } from "./message.ts";
import type { GroupId, LogIndex, NodeId, Term } from "./types.ts";

/** Where a replica stands that is reminded of more. */
interface Standing {
  readonly term: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

/** A promise that this replica does not keep: it should be in `term` and hold the entry `index`. */
export interface BrokenPromise {
  readonly group: GroupId;
  readonly term: Term;
  readonly index: LogIndex;
  readonly indexTerm: Term;
  readonly here: Standing;
}

/** An entry in a log. */
interface Found {
  readonly index: LogIndex;
  readonly term: Term;
}

/** The leader's log cannot be one that holds what is committed here. */
export interface Contradiction {
  readonly group: GroupId;
  readonly leader: NodeId;
  /** The leader's term. */
  readonly term: Term;
  /** Committed here. */
  readonly here: Found;
  /** In the leader's log: at the same index, or later and of an earlier term. */
  readonly there: Found;
}

/** Both ends of a promise. */
export interface PromiseParties {
  readonly self: NodeId;
  readonly witness: NodeId;
}

/**
 * What of `request` contradicts the entries up to the commit index of `log`, `undefined` if nothing does that
 * is still held here.
 */
export function findContradiction(log: RaftLog, request: AppendRequest): Contradiction | undefined {
  const { group, from: leader, term } = request;
  const pair = findDifference(log, request);
  return pair === undefined ? undefined : { group, leader, term, ...pair };
}

function findDifference(
  log: RaftLog,
  { prevLogIndex, prevLogTerm, entries }: AppendRequest,
): Pick<Contradiction, "here" | "there"> | undefined {
  const { committed } = log;
  const previous = { index: prevLogIndex, term: prevLogTerm };
  const compared = prevLogIndex <= committed ? [previous, ...entries] : [];
  for (const { index, term } of compared) {
    if (index > committed) break;
    const known = log.termAt(index);
    if (known !== undefined && known !== term) {
      return { here: { index, term: known }, there: { index, term } };
    }
  }
  // Terms never fall along a log, so what comes before this entry of the leader is of no later term.
  const last = log.termAt(committed);
  const isBelow = prevLogIndex > committed && last !== undefined && last > prevLogTerm;
  return isBelow ? { here: { index: committed, term: last }, there: previous } : undefined;
}

const CAUSE = "An older copy of a data directory was put back, or the end of a log is missing.";

/** For the operator of the replica that has broken it. */
export function describeBrokenPromise(broken: BrokenPromise, { self, witness }: PromiseParties): string {
  const { group, term, index, indexTerm, here } = broken;
  const promised = describeReached(term, { index, term: indexTerm });
  const reached = describeReached(here.term, { index: here.lastIndex, term: here.lastTerm });
  return `Group ${group} has lost what node ${self} promised to node ${witness}: ` +
    `it had reached ${promised}, and has reached ${reached} here. ${CAUSE} ` +
    `Node ${self} must not come back under its id: let a new node with an empty directory join, ` +
    `then remove node ${self}`;
}

function describeReached(term: Term, { index, term: indexTerm }: Found): string {
  if (index === 0) return `term ${term}`;
  return `term ${term} and entry ${index}${indexTerm === 0 ? "" : ` of term ${indexTerm}`}`;
}

/** For the operator of the replica whose committed entries are contradicted. */
export function describeContradiction({ group, leader, term, here, there }: Contradiction): string {
  return `Group ${group} contradicts what is committed here: entry ${here.index} is of term ${here.term}, but ` +
    `node ${leader}, leader of term ${term}, holds entry ${there.index} of term ${there.term}. ${CAUSE} ` +
    "Keep the directories of all nodes: this one may hold acknowledged writes that the others have lost. " +
    "Find the node whose directory was put back; it, or else this node, must be replaced by a new one that " +
    "joins with an empty directory";
}
