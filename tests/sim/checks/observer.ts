/**
 * Looks at a node after everything that happens to it and checks what it shows of itself: a term has one
 * leader, a new leader has every entry that was committed before its term, nothing ever falls, and applied ≤
 * committed ≤ last. At equal indexes, states are equal.
 *
 * @module
 */

import type { GroupId, NodeId, RaftStatus } from "../../../raft/mod.ts";
import type { KvReplica } from "../../../server/calls/hosted_replica.ts";
import { groupOfPartition } from "../../../server/cluster/founding.ts";
import type { ClusterState } from "../../../server/cluster/mod.ts";
import type { Node } from "../../../server/node/node.ts";
import { stateHash } from "../../support/state_hash.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Judge } from "./judge.ts";
import type { ReplicationLedger } from "./ledger.ts";
import type { Promises } from "./promises.ts";
import { unlessUnreadable } from "./unreadable.ts";
import { viewText } from "./settlement.ts";
import { votersOnly } from "../../support/memberships.ts";

/** States are compared at every so many indexes: to hash one costs a walk over it. */
const HASH_EVERY = 4;

/** A replica as it is, and as it was seen last. */
interface TwoViews {
  readonly view: RaftStatus;
  readonly before: RaftStatus;
}

/** What an observer works with. */
interface ObserverParts {
  readonly judge: Judge;
  readonly ledger: ReplicationLedger;
  readonly promises: Promises;
  readonly onElection: (machine: SimMachine) => void;
}

/** See the module comment. */
export class Observer {
  readonly #judge: Judge;
  readonly #ledger: ReplicationLedger;
  readonly #promises: Promises;
  /** What was seen last of the replicas of each node that is up. */
  readonly #seen = new Map<NodeId, Map<GroupId, RaftStatus>>();
  /** State hashes by `group/index`. */
  readonly #hashes = new Map<string, { readonly node: NodeId; readonly hash: number }>();
  readonly #hashedIndex = new Map<string, number>();
  readonly #watched = new WeakSet<KvReplica>();
  /** The cluster as each node saw it last, and what it was in each epoch. */
  readonly #clusters = new Map<NodeId, ClusterState>();
  readonly #epochs = new Map<number, string>();
  readonly #onElection: (machine: SimMachine) => void;
  /** Of nodes whose next segment cannot be made: what they have taken and not written. */
  readonly #takenBytes = new Map<NodeId, number>();
  elections = 0;

  constructor(
    parts: ObserverParts,
  ) {
    this.#onElection = parts.onElection;
    this.#judge = parts.judge;
    this.#ledger = parts.ledger;
    this.#promises = parts.promises;
  }

  /** A node has come up. */
  onStart(machine: SimMachine): void {
    const views = new Map<GroupId, RaftStatus>();
    for (const view of machine.node!.status().replicas) {
      // One whose disk was put back has to find that out by itself.
      if (!machine.isPutBack) this.#promises.restarted(machine.id, view);
      views.set(view.group, view);
    }
    this.#seen.set(machine.id, views);
    this.#watch(machine);
  }

  onEnd(machine: SimMachine): void {
    this.#seen.delete(machine.id);
  }

  /** Something may have happened to `machine`. */
  look(machine: SimMachine): void {
    const views = this.#seen.get(machine.id);
    if (machine.node === undefined || views === undefined) return;
    for (const view of machine.node.status().replicas) {
      const seen = views.get(view.group);
      const before = seen?.replicaId === view.replicaId ? seen : this.#meet(machine, view);
      this.#checkGrowth(machine.id, { view, before });
      if (view.role === "leader") this.#checkLeader(machine, { view, before });
      views.set(view.group, view);
    }
    // The last turn of a node that stops may end with its stores closed.
    if (machine.state !== "stopping") this.#checkStates(machine.id, machine.node);
    this.#checkCluster(machine.id, machine.node.cluster.state);
    this.#checkLogRoom(machine.id, machine.node);
  }

  #checkStates(id: NodeId, { replicas }: Node): void {
    for (const partition of replicas.assigned()) this.#checkState(id, partition);
  }

  /** A node whose log has no room for more takes no more: it would wait, and others for it. */
  #checkLogRoom(id: NodeId, { gate, wal }: Node): void {
    if (wal.spareFailure === undefined) return void this.#takenBytes.delete(id);
    const before = this.#takenBytes.get(id) ?? Infinity;
    this.#takenBytes.set(id, gate.takenBytes);
    if (gate.takenBytes <= Math.max(before, wal.restBytes)) return;
    this.#judge.fail(
      `node ${id} has taken ${gate.takenBytes} bytes, ${
        gate.takenBytes - before
      } of them since its log has ` +
        `room for ${wal.restBytes} and its next segment cannot be made`,
    );
  }

  /** A partition has moved here, or is back; that may be with another replica. */
  #meet(machine: SimMachine, view: RaftStatus): RaftStatus {
    if (!machine.isPutBack) this.#promises.restarted(machine.id, view);
    this.#watch(machine);
    return { ...view, role: "follower" };
  }

  /** What the partitions of `machine` apply goes into the ledger. */
  #watch(machine: SimMachine): void {
    for (const partition of machine.node!.replicas.held()) {
      if (this.#watched.has(partition)) continue;
      this.#watched.add(partition);
      this.#ledger.watch(machine.id, partition);
    }
  }

  /** After the same commands, all see the same cluster. */
  #checkCluster(node: NodeId, view: ClusterState): void {
    if (!view.isFounded || this.#clusters.get(node) === view) return;
    this.#clusters.set(node, view);
    const text = viewText(view);
    const known = this.#epochs.get(view.epoch);
    if (known === undefined) {
      this.#epochs.set(view.epoch, text);
      this.#checkRetired(view);
    }
    if (known !== undefined && known !== text) {
      this.#judge.fail(`node ${node} sees ${text} where others saw ${known}`);
    }
  }

  /** A node that is no member of the cluster belongs to no group. */
  #checkRetired({ partitions, retired }: ClusterState): void {
    for (const { partitionId, replicas } of partitions) {
      const { voters, votersOutgoing, learners } = this.#ledger.membership(groupOfPartition(partitionId)) ??
        votersOnly(replicas);
      const gone = [...voters, ...votersOutgoing, ...learners].find((node) => retired.has(node));
      if (gone !== undefined) {
        this.#judge.fail(`node ${gone} is removed and still belongs to partition ${partitionId}`);
      }
    }
  }

  /** Whether the states of `partition` at its index agree, however often that is asked. */
  checkHash(node: NodeId, partition: KvReplica): void {
    const index = partition.machine.appliedIndex;
    const hash = stateHash(partition.machine);
    const key = `${partition.group}/${index}`;
    const known = this.#hashes.get(key);
    if (known === undefined) this.#hashes.set(key, { node, hash });
    else if (known.hash !== hash) {
      this.#judge.fail(
        `nodes ${known.node} and ${node} differ in the state of group ${partition.group} at ${index}`,
      );
    }
  }

  #checkGrowth(node: NodeId, { view, before }: TwoViews) {
    const { group, term, commit, applied, lastIndex, vote } = view;
    const where = `group ${group} on node ${node}`;
    if (term < before.term) this.#judge.fail(`the term of ${where} falls from ${before.term} to ${term}`);
    if (commit < before.commit) this.#judge.fail(`${where} commits ${commit} after ${before.commit}`);
    if (applied < before.applied) this.#judge.fail(`${where} applies ${applied} after ${before.applied}`);
    if (applied > commit) this.#judge.fail(`${where} has applied ${applied} of ${commit} committed entries`);
    if (commit > lastIndex) this.#judge.fail(`${where} has committed ${commit} of ${lastIndex} entries`);
    if (term === before.term && before.vote !== 0 && vote !== before.vote) {
      this.#judge.fail(`${where} changes its vote of term ${term} from ${before.vote} to ${vote}`);
    }
  }

  #checkLeader(
    machine: SimMachine,
    { view, before }: TwoViews,
  ) {
    const { group, term, commit, lastIndex } = view;
    const where = `node ${machine.id}, which leads term ${term} of group ${group},`;
    this.#promises.leads(machine.id, { group, term });
    if (before.role === "leader" && before.term === term) {
      // Only an entry of its own term is ever committed by counting, and it is handed out with the others
      // (§5.4.2).
      const committed = commit > before.commit ? this.#ledger.termAt(group, commit) : undefined;
      if (committed !== undefined && committed !== term) {
        this.#judge.fail(`${where} commits entry ${commit} of term ${committed}`);
      }
      return;
    }
    this.elections++;
    const owed = this.#ledger.owedTo(group, term);
    if (lastIndex < owed) this.#judge.fail(`${where} has ${lastIndex} of ${owed} entries`);
    this.#onElection(machine);
  }

  #checkState(node: NodeId, partition: KvReplica): void {
    // What its store holds is not shown to anybody then, and belongs to no index.
    if (partition.isReplaced) return;
    const index = partition.machine.appliedIndex;
    const key = `${node}/${partition.group}`;
    if (index % HASH_EVERY !== 0 || this.#hashedIndex.get(key) === index) return;
    this.#hashedIndex.set(key, index);
    unlessUnreadable(() => this.checkHash(node, partition));
  }
}
