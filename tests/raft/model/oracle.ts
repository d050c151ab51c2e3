/**
 * What must be true of a whole cluster at every instant (figure 3 of the paper), judged from outside: by what
 * nodes put on disk, hand out and answer. It knows more than any node, for it never forgets.
 *
 * - *Election safety*: a term has one leader.
 * - *Log matching*: whoever has an entry of an index and term has the same bytes there and the same term
 *   before it.
 * - *Leader completeness*: a new leader has every entry that was committed in an earlier term.
 * - *State machine safety*: all are handed out the same entries, in order, without gaps, and only from their
 *   disk.
 * - Terms never fall and a vote is never changed, across restarts.
 * - A read that is granted covers everything committed anywhere before it was asked, and the floor that its
 *   leader was given.
 *
 * @module
 */

import { decodeMembership } from "../../../raft/membership_codec.ts";
import {
  type Entry,
  EntryKind,
  type GroupId,
  type LogIndex,
  type Membership,
  type ReadReady,
  type ReadyBatch,
  type SnapshotMeta,
  type Transition,
} from "../../../raft/mod.ts";
import type { Cluster, GroupEntries, ModelNode, Watcher } from "./cluster.ts";

/** The cluster has broken a promise. */
export class OracleViolation extends Error {
  constructor(message: string) {
    super(message);
    this.name = "OracleViolation";
  }
}

/** An entry as it was first seen, and the term of the one before it. */
interface Witness {
  readonly entry: Entry;
  readonly previousTerm: number;
}

/** What the oracle knows of one group. */
class GroupMemory {
  /** By term. */
  readonly leaders = new Map<number, number>();
  /** By index and term. */
  readonly witnesses = new Map<string, Witness>();
  /** Where all logs of the group begin: behind this snapshot. */
  readonly base: LogIndex;
  /** Entry of index `base` + i at position i − 1. */
  readonly committed: Entry[] = [];
  /** The term in which each of them was committed, or a later one. */
  readonly commitTerms: number[] = [];
  /** Reads under way, by node and id: what they must cover. */
  readonly reads = new Map<string, LogIndex>();

  membership: Membership;

  constructor({ index, membership }: SnapshotMeta) {
    this.base = index;
    this.membership = membership;
  }

  get lastCommitted(): LogIndex {
    return this.base + this.committed.length;
  }
}

/** A read that a node was asked for. */
interface AskedRead {
  readonly group: GroupId;
  readonly readId: number;
  /** Besides what is committed, the index that its leader will not let it be answered below. */
  readonly floor: LogIndex;
}

/** See the module comment. */
export class Oracle implements Watcher {
  readonly #groups = new Map<GroupId, GroupMemory>();

  constructor(cluster: Cluster) {
    for (const group of cluster.groups) {
      this.#groups.set(group, new GroupMemory(cluster.nodes[0]!.disk.group(group).snapshot));
    }
    cluster.watcher = this;
  }

  /** Everything that is known to be committed in `group`. */
  committed(group: GroupId): readonly Entry[] {
    return this.#memory(group).committed;
  }

  /** The newest membership that is committed in `group`. */
  membership(group: GroupId): Membership {
    return this.#memory(group).membership;
  }

  /** A read is about to be asked. */
  noteRead(node: ModelNode, read: AskedRead): void {
    const memory = this.#memory(read.group);
    memory.reads.set(`${node.id}/${read.readId}`, Math.max(memory.lastCommitted, read.floor));
  }

  beforePersist(node: ModelNode, batch: ReadyBatch): void {
    for (const persist of batch.persist) {
      const disk = node.disk.group(persist.group);
      if (persist.hardState !== undefined) {
        const { term, vote } = disk.hardState;
        const next = persist.hardState;
        const isVoteChanged = next.term === term && vote !== 0 && next.vote !== vote;
        if (next.term < term || isVoteChanged) {
          fail(`node ${node.id} persists term ${next.term} vote ${next.vote} over ${term} and ${vote}`);
        }
      }
      this.#checkMatching(node, persist);
    }
  }

  onTransition(node: ModelNode, transition: Transition): void {
    if (transition.role !== "leader") return;
    const { group, term } = transition;
    const memory = this.#memory(group);
    const other = memory.leaders.get(term);
    if (other !== undefined && other !== node.id) fail(`nodes ${other} and ${node.id} lead term ${term}`);
    memory.leaders.set(term, node.id);
    const log = logOf(node, group);
    memory.committed.forEach((entry, position) => {
      // A leader that learns late of its election in an old term may lack what later terms have committed.
      const isOwed = memory.commitTerms[position]! < term;
      if (isOwed && log[position]?.term !== entry.term) {
        fail(
          `node ${node.id} leads term ${term} of group ${group} without entry ${entry.index}/${entry.term}`,
        );
      }
    });
  }

  onCommitted(
    node: ModelNode,
    handed: GroupEntries,
  ): void {
    const memory = this.#memory(handed.group);
    const total = node.applied.get(handed.group)!.length;
    let index = memory.base + total - handed.entries.length;
    for (const entry of handed.entries) {
      index++;
      if (entry.index !== index) fail(`node ${node.id} is handed ${entry.index} where ${index} is next`);
      const onDisk = node.disk.entryAt(handed.group, index);
      if (onDisk?.term !== entry.term) {
        fail(`node ${node.id} is handed ${index}/${entry.term}, not on its disk`);
      }
      const known = memory.committed[index - memory.base - 1];
      if (known === undefined) {
        memory.committed.push(entry);
        if (entry.kind === EntryKind.membership) memory.membership = decodeMembership(entry.data);
        memory.commitTerms.push(node.status(handed.group).term);
      } else if (known.term !== entry.term || known.data !== entry.data) {
        fail(`node ${node.id} is handed ${index}/${entry.term} where ${index}/${known.term} was committed`);
      }
    }
  }

  onRead(node: ModelNode, read: ReadReady): void {
    const memory = this.#memory(read.group);
    const key = `${node.id}/${read.readId}`;
    const mustCover = memory.reads.get(key);
    if (mustCover === undefined) return fail(`node ${node.id} answers read ${read.readId} that is not open`);
    memory.reads.delete(key);
    if (read.granted && read.readIndex < mustCover) {
      fail(
        `node ${node.id} answers a read from ${read.readIndex}; ${mustCover} was committed, or its leader's ` +
          "floor, before it was asked",
      );
    }
  }

  /** A node died, and with it the reads that waited there. */
  onCrash(node: ModelNode): void {
    for (const memory of this.#groups.values()) {
      for (const key of memory.reads.keys()) if (key.startsWith(`${node.id}/`)) memory.reads.delete(key);
    }
  }

  /** Reads that were accepted and never answered. */
  openReads(): number {
    return [...this.#groups.values()].reduce((total, memory) => total + memory.reads.size, 0);
  }

  /**
   * Equal bytes and equal predecessors at every index and term: by induction the whole logs before it are
   * equal.
   */
  #checkMatching(
    node: ModelNode,
    persist: GroupEntries,
  ): void {
    const { witnesses } = this.#memory(persist.group);
    const { disk } = node;
    const first = persist.entries[0];
    const before = first === undefined ? undefined : disk.entryAt(persist.group, first.index - 1);
    let previousTerm = before?.term ?? disk.group(persist.group).snapshot.term;
    for (const entry of persist.entries) {
      const key = `${entry.index}/${entry.term}`;
      const known = witnesses.get(key);
      if (known === undefined) witnesses.set(key, { entry, previousTerm });
      else if (known.entry.data !== entry.data || known.previousTerm !== previousTerm) {
        fail(`node ${node.id} holds another entry ${key} in group ${persist.group}`);
      }
      previousTerm = entry.term;
    }
  }

  #memory(group: GroupId): GroupMemory {
    const memory = this.#groups.get(group);
    if (memory === undefined) throw new Error(`The oracle knows no group ${group}`);
    return memory;
  }
}

/**
 * The log of a node with what its batches are about to add: what is on disk when they are done. What a
 * snapshot covers is part of it.
 */
function logOf(node: ModelNode, group: GroupId): readonly Entry[] {
  const { entries: onDisk, snapshot, state } = node.disk.group(group);
  const entries = [...state, ...onDisk];
  for (const { batch, isPersisted } of node.batches) {
    const added = batch.persist.find((persist) => persist.group === group)?.entries ?? [];
    if (isPersisted || added.length === 0) continue;
    entries.splice(added[0]!.index - (snapshot.index - state.length) - 1, Infinity, ...added);
  }
  return entries;
}

function fail(message: string): never {
  throw new OracleViolation(message);
}
