/**
 * The operator, who changes the cluster in all its weather: new machines join, nodes are removed,
 * replicas are moved, leaderships handed over, everything evened out, in some runs the replication factor
 * raised and lowered. Each request goes to any node; what
 * becomes of it may stay unknown, as to real operators. When all is calm again, what was begun is brought to
 * its end, and nodes whose disks are gone are replaced.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import { DomainError } from "../../../server/api/error.ts";
import type { ClusterMetadata } from "../../../server/api/node_api.ts";
import type { ChangeRequest, ClusterNode, ClusterState } from "../../../server/cluster/mod.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Judge } from "../checks/judge.ts";
import type { World } from "../world/world.ts";
import type { Fleet } from "./fleet.ts";
import type { Origin, SimMachine } from "./machine.ts";

type ChangeKind = ChangeRequest["kind"];

/** How often each kind is wanted, if it makes sense. */
const WEIGHTS: Readonly<Record<ChangeKind, number>> = {
  addNode: 2,
  removeNode: 2,
  moveReplica: 4,
  transferLeadership: 2,
  rebalance: 1,
  setReplicationFactor: 4,
};

/** All that operators can ask for. */
export const CHANGE_KINDS = Object.keys(WEIGHTS) as readonly ChangeKind[];

/** What an operator works with. */
export interface OperatorOptions {
  readonly world: World;
  readonly judge: Judge;
  readonly fleet: Fleet;
  /** Mean time between two requests, in milliseconds; infinite for none. */
  readonly everyMs: number;
  readonly partitionCount: number;
  /** The replication factors that it chooses from; one alone is never changed. */
  readonly factors: readonly number[];
}

/** What is known of a request: the cluster has taken it, does not want it, or it may be either. */
type Answer = "taken" | "refused" | "unknown";

/** How long a request may take; a node that dies meanwhile never answers. */
const REQUEST_LIMIT_MS = 3_000;
const SILENCE_MS = 5_000;
const RETRY_MS = 200;
/** Machines beyond the founders, as every one costs time. */
const JOINS_MAX = 8;
const MEMBERS_MORE_MAX = 2;
/** Of removals, how many strike a node whose disk is gone, if there is one. */
const REPLACED_PERCENT = 60;
/** Of moves, how many take the last one back. */
const TAKEN_BACK_PERCENT = 30;
/** What may have happened to a request on its way. */
const UNCERTAIN: ReadonlySet<string> = new Set([
  "unavailable",
  "overloaded",
  "deadline",
  "outcomeUnknown",
  "notLeader",
]);

/** See the module comment. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #random: SeededRandom;
  readonly #founderCount: number;
  /** The node that has asked to join and does not know what came of it. */
  #joining: Origin | undefined;
  #lastMove: Extract<ChangeRequest, { readonly kind: "moveReplica" }> | undefined;
  #isOver = false;
  /** What it is at. */
  #acting: Promise<void> = Promise.resolve();
  /** How often each kind was taken. */
  readonly counts = new Map<string, number>();
  /** The nodes that the cluster has promised to take in, and to remove. */
  readonly added = new Set<NodeId>();
  readonly removed = new Set<NodeId>();

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#random = options.world.fork();
    this.#founderCount = options.fleet.machines.length;
  }

  /** As it is now. */
  get replicationFactor(): number {
    return this.newestView().replicationFactor;
  }

  /** Whether it does anything at all. */
  get isActive(): boolean {
    return this.#options.everyMs < Infinity;
  }

  start(): void {
    if (!this.isActive) return;
    this.#options.world.plan(this.#random.below(2 * this.#options.everyMs), "operator", () => {
      if (this.#isOver) return;
      // One thing at a time, each as soon as the last has been answered.
      this.#acting = this.#act().then(() => this.start());
    });
  }

  /** Nothing new from now on. */
  stop(): void {
    this.#isOver = true;
  }

  /** In the calm: a node that asked to join does, and nodes whose disks are gone are replaced. */
  async finish(): Promise<void> {
    if (!this.isActive) return;
    await this.#acting;
    while (this.#joining !== undefined) await this.#apply();
    this.#switchOffRemoved();
    for (let lost = this.#lostMember(); lost !== undefined; lost = this.#lostMember()) {
      await this.#replace(lost);
    }
  }

  /** Has one more node taken in. */
  async takeIn(): Promise<void> {
    const guide = this.#guide();
    if (guide?.node !== undefined) this.#joining = originOf(guide.node.metadata());
    while (this.#joining !== undefined) await this.#apply();
  }

  /** Asks for a node to be removed until it is promised, or has been done without an answer. */
  async remove(nodeId: NodeId): Promise<void> {
    while (!this.newestView().retired.has(nodeId)) {
      if (await this.#ask({ kind: "removeNode", nodeId }, this.#guide()) === "taken") return;
      await this.pause(RETRY_MS);
    }
  }

  async #act(): Promise<void> {
    const guide = this.#guide();
    if (guide?.node === undefined) return;
    if (this.#joining !== undefined) return await this.#apply();
    const cluster = guide.node.metadata();
    const kinds = this.#sensibleKinds(cluster);
    const kind = this.#random.pick(kinds.flatMap((each) => Array<typeof each>(WEIGHTS[each]).fill(each)));
    if (kind === "addNode") {
      this.#joining = originOf(cluster);
      return await this.#apply();
    }
    await this.#ask(this.#draw(kind, cluster), guide);
  }

  /** What has a chance to be taken, as far as the node that is asked knows. */
  #sensibleKinds({ nodes, partitions }: ClusterMetadata): readonly ChangeKind[] {
    const { factors, fleet } = this.#options;
    const founders = this.#founderCount;
    const isFull = nodes.length >= founders + MEMBERS_MORE_MAX ||
      fleet.machines.length >= founders + JOINS_MAX;
    const isTight = nodes.length <= mostReplicas(partitions);
    const forbidden = new Set<ChangeKind>([
      ...(isTight ? ["removeNode", "moveReplica"] as const : []),
      ...(isFull ? ["addNode"] as const : []),
      ...(factors.length < 2 ? ["setReplicationFactor"] as const : []),
    ]);
    return CHANGE_KINDS.filter((kind) => !forbidden.has(kind));
  }

  #draw(kind: Exclude<ChangeKind, "addNode">, cluster: ClusterMetadata): ChangeRequest {
    const ids = cluster.nodes.map(({ nodeId }) => nodeId);
    const partitionId = this.#random.below(this.#options.partitionCount);
    const { replicas } = cluster.partitions[partitionId]!;
    switch (kind) {
      case "rebalance":
        return { kind };
      case "removeNode":
        return { kind, nodeId: this.#victim(ids) };
      case "moveReplica": {
        if (this.#lastMove !== undefined && this.#random.chance(TAKEN_BACK_PERCENT)) {
          const { from, to, ...rest } = this.#lastMove;
          return { ...rest, from: to, to: from };
        }
        const free = ids.filter((id) => !replicas.includes(id));
        return { kind, partitionId, from: this.#random.pick(replicas), to: this.#random.pick(free) };
      }
      case "transferLeadership":
        return { kind, partitionId, to: this.#random.pick(replicas) };
      case "setReplicationFactor":
        return { kind, factor: this.#random.pick(this.#options.factors) };
    }
  }

  #victim(ids: readonly NodeId[]): NodeId {
    const lost = ids.filter((id) => this.#options.fleet.machine(id).state === "lost");
    return this.#random.pick(lost.length > 0 && this.#random.chance(REPLACED_PERCENT) ? lost : ids);
  }

  /** A new node asks to be taken in until it knows that it is, and begins then. */
  async #apply(): Promise<void> {
    const { fleet } = this.#options;
    const nodeId = fleet.nextId;
    const answer = await this.#ask({ kind: "addNode", nodeId, address: addressOf(nodeId) }, this.#guide());
    if (answer === "unknown") return await this.pause(RETRY_MS);
    const origin = this.#joining!;
    this.#joining = undefined;
    if (answer === "taken") fleet.add(origin).start();
  }

  /** Takes a step towards a cluster without the node `id`, which never comes back. */
  async #replace(id: NodeId): Promise<void> {
    const { fleet } = this.#options;
    const left = this.members().filter(({ nodeId, isLeaving }) =>
      !isLeaving && fleet.machine(nodeId).state !== "lost"
    );
    const guide = this.#guide();
    if (guide?.node === undefined) return await this.pause(RETRY_MS);
    if (left.length < mostReplicas(this.newestView().partitions)) await this.takeIn();
    else await this.#ask({ kind: "removeNode", nodeId: id }, guide);
    await this.pause(RETRY_MS);
  }

  /**
   * A node that was removed stops when one of its former peers tells it. One that was away until all of these
   * were gone is not told, for the cluster no longer speaks with it: the operator has to switch it off.
   */
  #switchOffRemoved(): void {
    const { nodes: members, retired } = this.newestView();
    for (const machine of this.#options.fleet.serving()) {
      const { nodes } = machine.node!.cluster.state;
      if (retired.has(machine.id) && ![...nodes.keys()].some((id) => members.has(id))) machine.lose();
    }
  }

  /** A node that never comes back, and that has not been removed yet. */
  #lostMember(): NodeId | undefined {
    const { fleet } = this.#options;
    return this.members().find(({ nodeId, isLeaving }) =>
      !isLeaving && fleet.machine(nodeId).state === "lost"
    )
      ?.nodeId;
  }

  /** As far as any node that serves knows. */
  members(): readonly ClusterNode[] {
    return [...this.newestView().nodes.values()];
  }

  /** What the best informed node knows. */
  newestView(): ClusterState {
    const views = this.#options.fleet.serving().map(({ node }) => node!.cluster.state);
    return views.reduce((best, view) => view.epoch > best.epoch ? view : best);
  }

  /** A node that serves, and knows which cluster it is of: others send operators elsewhere. */
  #guide(): SimMachine | undefined {
    const serving = this.#options.fleet.serving().filter(({ node }) => node?.clusterId !== "");
    return serving.length === 0 ? undefined : this.#random.pick(serving);
  }

  async #ask(request: ChangeRequest, guide: SimMachine | undefined): Promise<Answer> {
    const { world } = this.#options;
    if (guide === undefined) return "unknown";
    world.trace.note(`operator asks node ${guide.id} for ${JSON.stringify(request)}`);
    const answer = await Promise.race([
      this.#answer(request, guide),
      this.pause(SILENCE_MS).then(() => "unknown" as const),
    ]);
    world.trace.note(`operator hears of ${request.kind}: ${answer}`);
    if (answer === "taken") this.#note(request);
    return answer;
  }

  #note(request: ChangeRequest): void {
    this.counts.set(request.kind, (this.counts.get(request.kind) ?? 0) + 1);
    if (request.kind === "moveReplica") this.#lastMove = request;
    if (request.kind === "addNode") this.added.add(request.nodeId);
    if (request.kind === "removeNode") this.removed.add(request.nodeId);
  }

  #answer(request: ChangeRequest, guide: SimMachine): Promise<Answer> {
    return new Promise((resolve) =>
      guide.process?.admit("is asked for a change", () => {
        const asked = guide.node?.changeCluster(request, { timeoutMs: REQUEST_LIMIT_MS });
        asked?.then(() => resolve("taken"), (error) => resolve(this.#answerOf(error)));
      })
    );
  }

  #answerOf(error: unknown): Answer {
    const kind = error instanceof DomainError ? error.failure.kind : undefined;
    if (kind === "invalidArgument") return "refused";
    if (kind === undefined || !UNCERTAIN.has(kind)) {
      this.#options.judge.fail("an operator got an error that must not be", error);
    }
    return "unknown";
  }

  /** Milliseconds of the world's time. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.world.plan(delayMs, "operator waits", resolve));
  }
}

/** The most replicas that a partition has. */
function mostReplicas(partitions: readonly { readonly replicas: readonly NodeId[] }[]): number {
  return Math.max(...partitions.map(({ replicas }) => replicas.length));
}

/** What a node that joins is told of the cluster. */
function originOf({ clusterId, nodes, partitions, replicationFactor }: ClusterMetadata): Origin {
  return {
    shape: {
      nodes: new Map(nodes.map(({ nodeId, address }) => [nodeId, address])),
      partitionCount: partitions.length,
      replicationFactor,
    },
    joined: { clusterId, replicas: partitions.map(({ replicas }) => replicas) },
  };
}
