/**
 * What hosts do with states as a whole: they keep their own and let go of the log below it, and install those
 * of others. A state machine is the list of all entries that it has applied. Every step may be the last
 * before a crash.
 *
 * ```
 *   keep      state as applied ─▶ disk          the log on disk is needed from there on
 *   release   old records go, what is still needed is written again
 *   compact   entries in memory go, however far the disk is
 *   begin     a state of another node is here; the replica is suspended
 *   switch    it takes the place of the own one on disk, when nothing is on its way there
 *   end       the replica goes on
 * ```
 *
 * @module
 */

import type { GroupId, NodeId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";
import type { Cluster, ModelNode } from "./cluster.ts";
import type { ModelSnapshot } from "./disk.ts";

/** Chance that a step looks for a group that wants a snapshot. */
const SERVE = 0.4;
/** Chance that a snapshot is one that was taken long before. */
const OLD_SNAPSHOT = 0.2;

/** A snapshot on its way into a replica. */
interface Install {
  readonly snapshot: ModelSnapshot;
  isSwitched: boolean;
}

/** See the module comment. */
export class ScheduleSnapshots {
  /** How many took the place of what was there. */
  installs = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  /** By node and group. */
  readonly #installs = new Map<string, Install>();
  /** By group, one that somebody has not thrown away. */
  readonly #old = new Map<GroupId, ModelSnapshot>();

  constructor(cluster: Cluster, random: Random) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** A random step of `node`. */
  act(node: ModelNode, group: GroupId): void {
    if (this.#installs.has(keyOf(node, group))) return this.#goOn(node, group);
    const wanted = [...node.wanted.keys()].at(0);
    if (wanted !== undefined && this.#random.chance(SERVE)) return this.#begin(node, wanted);
    switch (this.#random.below(5)) {
      case 0:
        return keep(node, group);
      case 1:
        return this.#release(node, group);
      case 2:
        return this.#begin(node, group);
      default:
        return this.#compact(node, group);
    }
  }

  /** What was begun ends, and everybody gets what it wants. */
  serveAll(): void {
    for (const node of this.#cluster.nodes.filter(({ raft }) => raft !== undefined)) {
      for (const group of this.#cluster.groups) {
        const leader = this.#up(node.wanted.get(group));
        if (leader !== undefined && leader !== node) this.#install(node, { group, source: leader });
        while (this.#installs.has(keyOf(node, group))) this.#finish(node, group);
      }
    }
  }

  /** What was under way there is forgotten; what was switched to is there. */
  onCrash(node: ModelNode): void {
    for (const group of this.#cluster.groups) this.#installs.delete(keyOf(node, group));
  }

  /** The same for one replica, which leaves. */
  forget(node: ModelNode, group: GroupId): void {
    this.#installs.delete(keyOf(node, group));
  }

  #up(id: NodeId | undefined): ModelNode | undefined {
    return this.#cluster.nodes.find((node) => node.id === id && node.raft !== undefined);
  }

  #compact(node: ModelNode, group: GroupId): void {
    const { firstIndex, applied } = node.status(group);
    node.core.compact(group, firstIndex - 1 + this.#random.below(applied - firstIndex + 2));
  }

  /** The disk has everything that was handed out, and what is written again behind it. */
  #release(node: ModelNode, group: GroupId): void {
    // What memory has given up is on disk only, until it is kept.
    if (node.status(group).firstIndex > node.disk.group(group).snapshot.index + 1) keep(node, group);
    const again = node.core.persistAgain(group, node.disk.group(group).snapshot.index)!;
    while (node.batches.some(({ isPersisted }) => !isPersisted)) this.#cluster.persist(node);
    const { entries, hardState: { term, vote } } = node.disk.group(group);
    node.disk.release(group);
    node.disk.persist(again);
    const { hardState, entries: left } = node.disk.group(group);
    const isVoteKept = hardState.term > term ||
      (hardState.term === term && hardState.vote === (vote || hardState.vote));
    // Replaced entries need not be written again, and nobody asks for them in a later term.
    const isLogKept = left.every((entry, at) => entry === entries[at]) &&
      entries.slice(left.length).every((entry) => entry.term < hardState.term);
    if (!isVoteKept || !isLogKept) {
      throw new Error(`node ${node.id} does not write again all that it had written in group ${group}`);
    }
  }

  #begin(node: ModelNode, group: GroupId): void {
    const sources = this.#cluster.nodes.filter((each) => each.raft !== undefined && each !== node);
    const wanted = this.#up(node.wanted.get(group));
    const source = wanted ?? sources[this.#random.below(Math.max(1, sources.length))];
    if (source !== undefined && source !== node) this.#install(node, { group, source });
  }

  #install(
    node: ModelNode,
    { group, source }: { readonly group: GroupId; readonly source: ModelNode },
  ): void {
    // In the middle of an installation a host has no state to give.
    if (this.#installs.has(keyOf(source, group)) || this.#installs.has(keyOf(node, group))) return;
    const old = this.#old.get(group);
    const snapshot = old !== undefined && this.#random.chance(OLD_SNAPSHOT) ? old : snapshotOf(source, group);
    if (old === undefined || this.#random.chance(OLD_SNAPSHOT)) this.#old.set(group, snapshot);
    node.wanted.delete(group);
    if (snapshot.meta.index === 0) return;
    node.core.suspend(group);
    this.#installs.set(keyOf(node, group), { snapshot, isSwitched: false });
  }

  /** Turns of the node until the snapshot under way is installed. */
  #finish(node: ModelNode, group: GroupId): void {
    while (node.core.hasReady()) this.#cluster.begin(node);
    this.#cluster.finishAll(node);
    this.#goOn(node, group);
  }

  #goOn(node: ModelNode, group: GroupId): void {
    const install = this.#installs.get(keyOf(node, group))!;
    const { meta, state } = install.snapshot;
    const isAhead = meta.index > node.status(group).applied;
    if (isAhead && !install.isSwitched) {
      const isLogKept = node.core.holdsEntry(group, meta);
      if (isLogKept === undefined) return;
      node.disk.install(group, { meta, state, isLogKept });
      install.isSwitched = true;
      return;
    }
    this.#installs.delete(keyOf(node, group));
    node.core.resume(group, meta);
    if (!isAhead) return;
    this.installs++;
    node.applied.set(group, [...state]);
    node.memberships.set(group, meta);
  }
}

/** The state of `node` as a whole. */
export function snapshotOf(node: ModelNode, group: GroupId): ModelSnapshot {
  const state = [...node.applied.get(group)!];
  const { snapshot } = node.disk.group(group);
  const { index, term } = state.at(-1) ?? snapshot;
  const { membership, membershipIndex } = node.memberships.get(group)!;
  return { meta: { index, term, membership, membershipIndex }, state };
}

function keep(node: ModelNode, group: GroupId): void {
  node.disk.flush(group, snapshotOf(node, group));
}

function keyOf(node: ModelNode, group: GroupId): string {
  return `${node.id}/${group}`;
}
