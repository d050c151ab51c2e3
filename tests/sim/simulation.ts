/**
 * One run: a whole cluster of the product's own nodes and clients on simulated time, network, disks and
 * chance, a storm of faults, then a calm phase in which everything must come right. A seed decides all of it.
 *
 * @module
 */

import { CLUSTER_GROUP } from "../../server/cluster/founding.ts";
import type { StateBudget, StoreSizes } from "../../server/state/mod.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { CalmPhase } from "./checks/calm.ts";
import { Judge } from "./checks/judge.ts";
import { ReplicationLedger } from "./checks/ledger.ts";
import { Observer } from "./checks/observer.ts";
import { Promises } from "./checks/promises.ts";
import { ClientLink } from "./clients/client_link.ts";
import { BRIEF_KEYS, Clients } from "./clients/clients.ts";
import { Records } from "./clients/workload.ts";
import { Ambush } from "./faults/ambush.ts";
import { Faults } from "./faults/faults.ts";
import { RandomFaults } from "./faults/random_faults.ts";
import { Fleet } from "./machines/fleet.ts";
import { type KeptCounts, NOTHING_KEPT, type SimMachine, sumOfKept } from "./machines/machine.ts";
import { Network } from "./machines/network.ts";
import { Operator } from "./machines/operator.ts";
import { guardAgainstLeaks } from "./world/leak_guard.ts";
import { CALM, drawWeather, type Weather } from "./world/weather.ts";
import { World } from "./world/world.ts";

/** What to run. */
export interface SimulationOptions {
  readonly seed: number;
  /** Events before the calm phase. */
  readonly steps: number;
  /** Keep every line of the trace. */
  readonly keepsTrace?: boolean;
  /** Ends the run before the next event; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a run came to. */
export interface SimulationResult {
  readonly seed: number;
  /** Two runs of a seed must have the same. */
  readonly traceHash: number;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly nodes: number;
  readonly elections: number;
  readonly acknowledged: number;
  readonly increments: number;
  readonly notNumbers: number;
  /** Keys that were removed because their time had come. */
  readonly expired: number;
  readonly unknown: number;
  readonly reads: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly restarts: number;
  readonly kept: Readonly<KeptCounts>;
  readonly lines: readonly string[];
}

/** Under this name runs count disks that were put back. */
export const PUT_BACK = "putBack";

/** Among so many seeds, one begins with a single replica of everything. */
const SINGLE_EVERY = 9;
/** Among so many seeds, one has an operator who changes the replication factor. */
const RESIZED_EVERY = 3;

/** How a cluster is built. */
interface Plan {
  readonly nodeCount: number;
  readonly partitionCount: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly leaseReads: boolean;
  readonly walSegmentBytes: number;
  readonly budget: StateBudget;
  readonly storeSizes: StoreSizes;
  readonly clientCount: number;
  readonly workersEach: number;
  readonly keyCount: number;
  readonly paddingMax: number;
}

/**
 * Runs a seed.
 *
 * @throws {Error} when any promise is broken; the message begins with the line that replays it
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  try {
    return await simulation.run();
  } catch (error) {
    const reason = error instanceof Error ? error.stack ?? error.message : String(error);
    throw new Error(
      `replay with: deno task sim --seed ${options.seed} --steps ${options.steps}\n${reason}\n` +
        `the last events:\n${simulation.lastLines().join("\n")}`,
    );
  }
}

/** See the module comment. */
class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #judge = new Judge();
  readonly #plan: Plan;
  readonly #weather: Weather;
  readonly #network: Network;
  readonly #fleet: Fleet;
  readonly #operator: Operator;
  readonly #ledger: ReplicationLedger;
  readonly #observer: Observer;
  readonly #faults: Faults;
  readonly #randomFaults: RandomFaults;
  readonly #ambush: Ambush;
  readonly #link: ClientLink;
  readonly #clients: Clients;
  readonly #records = new Records();
  /** What was done in the calm. */
  readonly #calmCounts = new Map<string, number>();
  #starts = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new World({ seed: options.seed, keepsTrace: options.keepsTrace ?? false });
    const { random } = this.#world;
    this.#plan = drawPlan(random);
    this.#weather = drawWeather(random);
    const promises = new Promises(this.#judge);
    this.#network = new Network(this.#world, {
      weather: this.#weather,
      promises,
      electionTimeoutMs: this.#plan.electionTimeoutMs,
    });
    const { partitionCount } = this.#plan;
    this.#ledger = new ReplicationLedger({ judge: this.#judge, promises, partitionCount });
    this.#observer = new Observer({
      judge: this.#judge,
      ledger: this.#ledger,
      promises,
      onElection: (machine) => this.#ambush.onElection(machine),
    });
    this.#fleet = this.#buildFleet();
    const { machines } = this.#fleet;
    this.#link = new ClientLink(this.#world, { weather: this.#weather, machines });
    this.#clients = this.#buildClients();
    this.#faults = this.#buildFaults(promises);
    this.#randomFaults = new RandomFaults({
      world: this.#world,
      weather: this.#weather,
      machines,
      faults: this.#faults,
    });
    this.#ambush = this.#buildAmbush();
    this.#network.onMessage = (message) => this.#ambush.hear(message);
    this.#operator = new Operator({
      world: this.#world,
      judge: this.#judge,
      fleet: this.#fleet,
      partitionCount,
      factors: this.#factors,
      everyMs: this.#weather.changeEveryMs,
    });
  }

  async run(): Promise<SimulationResult> {
    const dropGuard = guardAgainstLeaks((error) => this.#judge.fail("the simulation leaks", error));
    const onRejection = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.#judge.fail("a promise was rejected and not awaited", event.reason);
    };
    globalThis.addEventListener("unhandledrejection", onRejection);
    try {
      for (const machine of this.#fleet.machines) machine.start();
      this.#clients.start();
      this.#randomFaults.start();
      this.#operator.start();
      await this.#runUntil(() => this.#world.steps >= this.#options.steps);
      await this.#calmDown();
    } finally {
      dropGuard();
      globalThis.removeEventListener("unhandledrejection", onRejection);
    }
    return this.#result();
  }

  lastLines(): readonly string[] {
    return this.#world.trace.lines;
  }

  async #runUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      this.#options.signal?.throwIfAborted();
      if (!await this.#world.step()) throw new Error("nothing is going to happen any more");
      for (const id of this.#world.touched) this.#observer.look(this.#fleet.machine(id));
      this.#world.touched.clear();
      if (this.#judge.verdict !== undefined) throw this.#judge.verdict;
    }
  }

  async #calmDown(): Promise<void> {
    this.#world.trace.note("calm");
    this.#network.weather = { ...CALM };
    this.#link.weather = { ...CALM };
    this.#operator.stop();
    this.#faults.stop();
    const workers = this.#clients.stop();
    const calm = new CalmPhase({
      world: this.#world,
      judge: this.#judge,
      fleet: this.#fleet,
      network: this.#network,
      electionTimeoutMs: this.#plan.electionTimeoutMs,
      operator: this.#operator,
      ledger: this.#ledger,
      observer: this.#observer,
      records: this.#records,
      partitionCount: this.#plan.partitionCount,
      keys: this.#keys,
      brief: BRIEF_KEYS,
      runUntil: (isOver) => this.#runUntil(isOver),
      connect: () => this.#clients.connect(),
      workers,
    });
    await calm.check();
    if (calm.putBacks > 0) this.#calmCounts.set(PUT_BACK, calm.putBacks);
  }

  #buildFleet(): Fleet {
    const { nodeCount, partitionCount, ...settings } = this.#plan;
    const { driftPercentMax, syncMsMax } = this.#weather;
    const watcher = {
      onStart: (machine: SimMachine) => {
        this.#starts++;
        this.#observer.onStart(machine);
      },
      onEnd: (machine: SimMachine) => this.#observer.onEnd(machine),
      fail: (message: string, cause?: unknown) => this.#judge.fail(message, cause),
    };
    return new Fleet({
      world: this.#world,
      network: this.#network,
      watcher,
      driftPercentMax,
      settings: { ...settings, syncMsMax },
    }, { nodeCount, partitionCount, replicationFactor: this.#factors[0]! });
  }

  #buildClients(): Clients {
    return new Clients({
      world: this.#world,
      judge: this.#judge,
      ledger: this.#ledger,
      records: this.#records,
      link: this.#link,
      fleet: this.#fleet,
      plan: this.#plan,
      keys: this.#keys,
      thinkMsMax: this.#weather.thinkMsMax,
    });
  }

  #buildFaults(promises: Promises): Faults {
    return new Faults({
      world: this.#world,
      network: this.#network,
      link: this.#link,
      machines: this.#fleet.machines,
      weather: this.#weather,
      partitionCount: this.#plan.partitionCount,
      coordinator: () => promises.leaderOf(CLUSTER_GROUP),
      electionTimeoutMs: this.#plan.electionTimeoutMs,
      lossesMax: (Math.min(...this.#factors) - 1) / 2,
      sendProbe: (target) => this.#clients.sendProbe(target),
    });
  }

  #buildAmbush(): Ambush {
    return new Ambush({
      world: this.#world,
      network: this.#network,
      weather: this.#weather,
      machines: this.#fleet.machines,
      faults: this.#faults,
      electionTimeoutMs: this.#plan.electionTimeoutMs,
      leaseReads: this.#plan.leaseReads,
      sendProbe: (target) => this.#clients.sendProbe(target),
    });
  }

  /** The replication factor that the cluster is founded with, then those that it may get. */
  get #factors(): readonly number[] {
    const { seed } = this.#options;
    // No other has to agree with the only replica, which moves all the same.
    if (seed % SINGLE_EVERY === 0) return [1, 3];
    // Small clusters do not have the nodes for five until some join.
    if (seed % RESIZED_EVERY === 0) return [3, 5];
    // Larger clusters spread their partitions over some of the nodes, or keep everything everywhere.
    return [seed % 2 === 0 ? 3 : this.#plan.nodeCount];
  }

  get #keys(): readonly string[] {
    return Array.from({ length: this.#plan.keyCount }, (_, at) => `key-${at}`);
  }

  #result(): SimulationResult {
    const { acknowledged, increments, notNumbers, unknown, reads } = this.#records;
    return {
      seed: this.#options.seed,
      traceHash: this.#world.trace.hash,
      steps: this.#world.steps,
      simulatedMs: this.#world.nowMs,
      nodes: this.#fleet.machines.length,
      elections: this.#observer.elections,
      acknowledged,
      increments,
      notNumbers,
      expired: this.#ledger.removals,
      unknown,
      reads,
      faults: Object.fromEntries([
        ...this.#randomFaults.counts,
        ...this.#operator.counts,
        ...this.#calmCounts,
      ]),
      restarts: this.#starts - this.#fleet.machines.length,
      kept: this.#fleet.machines.map(({ kept }) => kept).reduce(sumOfKept, NOTHING_KEPT),
      lines: this.#world.trace.lines,
    };
  }
}

/** Little is much for them: a few writes are a flush, a few flushes a merge, a lost minute a snapshot. */
function drawBudget(random: SeededRandom): StateBudget {
  const logBytes = random.pick([2, 8, 32]) * 1_024;
  return {
    memtableBytes: random.pick([4, 8, 32]) * 1_024,
    cacheBytes: 64 * 1_024,
    logBytes,
    verifyEveryMs: random.pick([200, 5_000]),
    heldLogBytes: logBytes * random.pick([1, 3, 100]),
    segments: random.pick([2, 3, 4]),
  };
}

const STORE_SIZES: readonly StoreSizes[] = [
  { level0Tables: 2, level1Bytes: 4 * 1_024, tableBytes: 2 * 1_024, blockBytes: 256 },
  { level0Tables: 4, level1Bytes: 16 * 1_024, tableBytes: 8 * 1_024, blockBytes: 1_024 },
];

function drawPlan(random: SeededRandom): Plan {
  const [electionTimeoutMs, heartbeatMs] = random.pick(
    [[300, 100], [500, 150], [1_000, 300]] as const,
  );
  const plan = {
    nodeCount: random.pick([3, 3, 3, 5, 5, 7]),
    partitionCount: 1 + random.below(4),
    electionTimeoutMs,
    heartbeatMs,
    leaseReads: random.chance(50),
    walSegmentBytes: random.pick([8, 16, 64]) * 1_024,
    clientCount: 1 + random.below(4),
    workersEach: 1 + random.below(3),
    keyCount: 2 + random.below(8),
    paddingMax: random.pick([0, 0, 100, 1_000]),
    budget: drawBudget(random),
    storeSizes: random.pick(STORE_SIZES),
  };
  // A batch of all keys has to fit into a segment, as it does in any that the product would be started with.
  return { ...plan, paddingMax: Math.min(plan.paddingMax, plan.walSegmentBytes / (4 * plan.keyCount)) };
}
