/**
 * The calm after the storm, and the judgement of the whole run: one leader a group appears, replicas become
 * equal, every call and every change of the cluster comes to an end, everything acknowledged is read, and the
 * history is linearizable.
 *
 * @module
 */

import type { PrkDbClient } from "../../../client/mod.ts";
import { partitionOfKey } from "../../../proto/mod.ts";
import { groupOfPartition } from "../../../server/cluster/founding.ts";
import { checkLinearizable, describeVerdict } from "../../linearizability/checker.ts";
import { staleReadComplaints } from "../../linearizability/stale_reads.ts";
import type { Records } from "../clients/workload.ts";
import { canReplaceAllButOne, replaceAllButOne } from "../faults/full_replacement.ts";
import { PutBack } from "../faults/put_back.ts";
import type { Fleet } from "../machines/fleet.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Network } from "../machines/network.ts";
import type { Operator } from "../machines/operator.ts";
import type { World } from "../world/world.ts";
import type { Judge } from "./judge.ts";
import type { ReplicationLedger } from "./ledger.ts";
import type { Observer } from "./observer.ts";
import { findUnsettled } from "./settlement.ts";
import { isReadable } from "./unreadable.ts";

/** Simulated time within which everything must have come right. */
const LIMIT_MS = 60_000;
/**
 * Of runs in which the cluster changes, how many end with a full replacement, if that does not take too many
 * machines.
 */
const FULL_REPLACEMENT_PERCENT = 30;
const FULL_REPLACEMENT_REPLICAS_MAX = 3;
/** Of runs, how many end with a disk that is put back to an earlier state. */
const PUT_BACK_PERCENT = 25;
/** How long keys last that are written in the calm. */
const BRIEF_MS = 400;
/** Promises are written with the next commit hint, which is due an election timeout after the last one. */
const WRITTEN_TIMEOUTS = 4;

/** What is judged. */
export interface CalmPhaseOptions {
  readonly world: World;
  readonly judge: Judge;
  readonly fleet: Fleet;
  readonly network: Network;
  readonly electionTimeoutMs: number;
  readonly operator: Operator;
  readonly ledger: ReplicationLedger;
  readonly observer: Observer;
  readonly records: Records;
  readonly partitionCount: number;
  readonly keys: readonly string[];
  /** Keys that expire. */
  readonly brief: readonly string[];
  readonly runUntil: (isOver: () => boolean) => Promise<void>;
  readonly connect: () => Promise<PrkDbClient>;
  /** Resolves when every worker has ended. */
  readonly workers: Promise<unknown>;
}

/** See the module comment. */
export class CalmPhase {
  readonly #options: CalmPhaseOptions;
  /** Disks that were put back to an earlier state. */
  putBacks = 0;

  constructor(options: CalmPhaseOptions) {
    this.#options = options;
  }

  /** @throws {Error} when anything does not come right */
  async check(): Promise<void> {
    await this.#await(this.#options.workers, "every call of a client has come to an end");
    // Before anything is written: a new leader must be able to serve without it.
    await this.#await(this.#readAll(), "a new client reads every key");
    await this.#until(() => this.#hasRoom(), "every node has noticed that its disk has room");
    await this.#await(this.#write(), "a new client writes every key");
    await this.#await(this.#writeBriefly(), "a new client writes what is to expire");
    await this.#until(() => this.#hasExpired(), "every key is removed when its time has come");
    await this.#changeOver();
    await this.#equalize();
    await this.#until(() => this.#areWhole(), "every state is whole", () => this.#damages());
    this.#compareStates();
    await this.#await(this.#readAll(), "a new client reads every key");
    this.#judgeHistory();
    await this.#putDiskBack();
    const { verdict } = this.#options.judge;
    if (verdict !== undefined) throw verdict;
  }

  /** At the very end, as it costs a machine. */
  async #putDiskBack(): Promise<void> {
    const { electionTimeoutMs, fleet, keys, network, partitionCount, world } = this.#options;
    if (!world.random.chance(PUT_BACK_PERCENT)) return;
    const groups = new Set(
      keys.map((key) => groupOfPartition(partitionOfKey(new TextEncoder().encode(key), partitionCount))),
    );
    const scene = PutBack.begin({ world, fleet, network, electionTimeoutMs, groups });
    if (scene === undefined) return;
    await this.#equalize();
    // What was acknowledged in the first round is written down by the witnesses in the second.
    for (let round = 0; round < 2; round++) {
      await this.#await(this.#write(), "a new client writes every key");
      await this.#equalize();
      const writtenMs = world.nowMs + WRITTEN_TIMEOUTS * electionTimeoutMs;
      await this.#until(() => world.nowMs > writtenMs, "commit hints are written");
      if (round === 0) scene.noteTerms();
    }
    scene.putBack();
    await this.#until(() => scene.isWitnessUp, "a node that was killed comes back");
    scene.meet();
    await this.#until(() => scene.isOver, "a node whose disk was put back ends");
    scene.mustHaveEnded();
    this.putBacks++;
  }

  #equalize(): Promise<void> {
    return this.#until(
      () => this.#isSettled(),
      "every group has one leader and equal replicas, and every node its cluster's id",
    );
  }

  /** Whatever an operator began ends, and the cluster is what it says. */
  async #changeOver(): Promise<void> {
    const { fleet, operator, world: { random } } = this.#options;
    if (!operator.isActive) return;
    await this.#await(operator.finish(), "the operator has an answer to everything");
    await this.#settle();
    const isTooLarge = operator.replicationFactor > FULL_REPLACEMENT_REPLICAS_MAX;
    if (isTooLarge || !canReplaceAllButOne(operator) || !random.chance(FULL_REPLACEMENT_PERCENT)) return;
    await this.#await(replaceAllButOne({ fleet, operator, random }), "all nodes but one are replaced");
    await this.#settle();
  }

  async #settle(): Promise<void> {
    const { fleet, operator } = this.#options;
    let missing: string | undefined;
    await this.#until(
      () => (missing = findUnsettled(fleet, operator)) === undefined,
      "all changes of the cluster are done",
      () => missing ?? "",
    );
  }

  async #await(promise: Promise<unknown>, what: string): Promise<void> {
    let isDone = false;
    promise.then(() => isDone = true, (error) => {
      this.#options.judge.fail(`not ${what}\n${this.#describe()}`, error);
    });
    await this.#until(() => isDone, what);
  }

  async #until(isDone: () => boolean, what: string, why = () => ""): Promise<void> {
    const { world, runUntil } = this.#options;
    const untilMs = world.nowMs + LIMIT_MS;
    await runUntil(() => isDone() || world.nowMs > untilMs);
    if (!isDone()) {
      throw new Error(`not within ${LIMIT_MS} ms of calm: ${what}\n${why()}\n${this.#describe()}`);
    }
  }

  /** A write a key: whatever was left open in a group is decided by the entries behind it. */
  async #write(): Promise<void> {
    const { world, ledger, keys, records, connect } = this.#options;
    const client = await connect();
    for (const key of keys) {
      const value = records.newValue();
      const invokedAt = world.nowMs;
      const { version } = await client.put(key, value);
      ledger.acknowledged(world.nowMs, { key, value, version });
      const fate = { outcome: { kind: "written", version }, invokedAt, returnedAt: world.nowMs } as const;
      records.operations.push({ client: 0, key, action: { kind: "put", value }, ...fate });
    }
    await client.close();
  }

  /** Keys that have nobody to remove them but the cluster itself. */
  async #writeBriefly(): Promise<void> {
    const { brief, records, connect } = this.#options;
    const client = await connect();
    for (const key of brief) await client.put(key, records.newValue(), { ttlMs: BRIEF_MS });
    await client.close();
  }

  #hasExpired(): boolean {
    const replicas = this.#alive().flatMap(({ node }) => [...node!.replicas.assigned()]);
    return replicas.every(({ machine }) => machine.earliestExpiryMs === undefined);
  }

  /** A node whose disk was full refuses puts until it has tried again, which it does by itself. */
  #hasRoom(): boolean {
    return this.#options.fleet.serving().every(({ node }) =>
      node!.status().troubles.every(({ kind }) => kind !== "diskFull")
    );
  }

  #isSettled(): boolean {
    const { fleet, ledger, partitionCount } = this.#options;
    // One that was cut off until now may just be about to hear of the founding.
    if (fleet.serving().some(({ node }) => node!.clusterId === "")) return false;
    for (let group = 1; group <= partitionCount; group++) {
      const views = this.#views(group);
      const leaders = views.filter(({ role }) => role === "leader");
      const goal = ledger.lastIndex(group);
      const isEqual = views.every(({ applied, lastIndex }) => applied === goal && lastIndex === goal);
      if (leaders.length !== 1 || !isEqual) return false;
    }
    return true;
  }

  #damages(): string {
    return this.#alive().flatMap(({ id, node }) => [
      `node ${id}: ${node!.keeper.damage}`,
      ...node!.replicas.assigned().map(({ group, stallReason, baseIndex, takenIndex, machine }) =>
        `  group ${group} at ${machine.appliedIndex}, ${baseIndex} of ${takenIndex}: ${stallReason}`
      ),
    ]).join("\n");
  }

  #areWhole(): boolean {
    const alive = this.#alive();
    return alive.length > 0 &&
      alive.every(({ node }) =>
        node!.keeper.damage === undefined && node!.replicas.assigned().every(isReadable)
      );
  }

  #views(group: number) {
    return this.#alive().flatMap(({ node }) =>
      node!.status().replicas.filter((view) => view.group === group)
    );
  }

  /** Those that are not lost must all be back. */
  #alive(): readonly SimMachine[] {
    const alive = this.#options.fleet.machines.filter(({ state }) => state !== "lost" && state !== "removed");
    return alive.every(({ node }) => node !== undefined) ? alive : [];
  }

  /** All nodes belong to one cluster, and clients are told which. */
  #compareClusterIds(): void {
    const { fleet } = this.#options;
    const ids = fleet.serving().map(({ id, node }) => `node ${id}: "${node!.clusterId}"`);
    const distinct = new Set(fleet.serving().map(({ node }) => node!.clusterId));
    if (distinct.size !== 1 || distinct.has("")) {
      throw new Error(`Nodes are of one cluster: ${ids.join(", ")}`);
    }
  }

  #compareStates(): void {
    this.#compareClusterIds();
    const { observer } = this.#options;
    for (const machine of this.#alive()) {
      for (const partition of machine.node!.replicas.assigned()) observer.checkHash(machine.id, partition);
    }
  }

  /** What is read must hold everything that was acknowledged to anybody. */
  async #readAll(): Promise<void> {
    const { keys, ledger, connect } = this.#options;
    const client = await connect();
    for (const key of keys) {
      const floor = ledger.floor(key);
      ledger.seen({ key, value: await client.getText(key), floor });
    }
    await client.close();
  }

  #judgeHistory(): void {
    const { judge, records } = this.#options;
    const verdict = checkLinearizable(records.operations);
    if (verdict.kind !== "linearizable") judge.fail(describeVerdict(verdict));
    const [complaint] = staleReadComplaints(records.operations, records.staleReads);
    if (complaint !== undefined) judge.fail(`a stale read is wrong: ${complaint}`);
  }

  #describe(): string {
    const machines = this.#options.fleet.machines.map(({ id, state, node }) => {
      const replicas = (node?.status().replicas ?? []).map((
        { group, role, term, commit, applied, lastIndex, membership: { voters, votersOutgoing, learners } },
      ) =>
        `group ${group} ${role} term ${term} applied ${applied} of ${commit} of ${lastIndex}, ` +
        `members ${voters}/${votersOutgoing}/${learners}`
      );
      const cluster = JSON.stringify(node?.cluster.membership);
      return `node ${id} ${state}: ${replicas.join("; ")}; group 0 ${cluster}`;
    });
    const { nodes, partitions } = this.#options.operator.newestView();
    return [...machines, JSON.stringify([...nodes.values()]), JSON.stringify(partitions)].join("\n");
  }
}
