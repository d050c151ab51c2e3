/**
 * The clients of a run and what they do: ordinary ones, each with some workers that call without end, and a
 * probe that is sent where two nodes may both believe that they lead.
 *
 * @module
 */

import { PrkDbClient } from "../../../client/mod.ts";
import type { UnaryCaller } from "../../../client/transport/caller.ts";
import { PrkDbError } from "../../../client/transport/error.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import type { Judge } from "../checks/judge.ts";
import type { ReplicationLedger } from "../checks/ledger.ts";
import type { Fleet } from "../machines/fleet.ts";
import { clientClock } from "../machines/process_clock.ts";
import type { World } from "../world/world.ts";
import { balanced, type ClientLink } from "./client_link.ts";
import { PROBE_TIMEOUT_MS, type ProbeTarget, SplitBrainProbe } from "./split_brain_probe.ts";
import { type Records, Workload, type WorkloadOptions } from "./workload.ts";

/** Keys that are incremented; few, so that increments meet. */
const COUNTERS: readonly string[] = ["count-0", "count-1"];
/** Keys that expire; few, so that they are written again and again. */
export const BRIEF_KEYS: readonly string[] = ["brief-0", "brief-1"];
/** How long ordinary clients wait for an answer, one of these in milliseconds. */
const TIMEOUTS_MS: readonly number[] = [500, 2_000, 5_000];
/** Pause after no node would tell a client anything. */
const RECONNECT_MS = 100;
/** The number of a client that only watches how a run ends. */
const OBSERVER_NUMBER = 0;

/** How many there are, and what they write. */
export interface ClientsPlan {
  readonly clientCount: number;
  readonly workersEach: number;
  readonly paddingMax: number;
  readonly partitionCount: number;
}

/** What the clients work with. */
export interface ClientsOptions {
  readonly world: World;
  readonly judge: Judge;
  readonly ledger: ReplicationLedger;
  readonly records: Records;
  readonly link: ClientLink;
  readonly fleet: Fleet;
  readonly plan: ClientsPlan;
  readonly keys: readonly string[];
  /** Milliseconds between the end of a worker's call and its next, at most. */
  readonly thinkMsMax: number;
}

/** What tells one worker from another. */
type WorkerIdentity = Pick<WorkloadOptions, "client" | "clientNumber" | "random" | "timeoutsMs">;

/** See the module comment. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #calls: Promise<void>[] = [];
  /** Does nothing until the probe has connected. */
  #startProbing: (target: ProbeTarget) => void = () => {};
  #isOver = false;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  start(): void {
    const { clientCount } = this.#options.plan;
    for (let number = 1; number <= clientCount; number++) this.#startClient(number);
    this.#calls.push(this.#startProbe(clientCount + 1));
  }

  /** No worker begins another call; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#calls);
  }

  /** Sends the probe to `target`, if it has connected and is not at another. */
  sendProbe(target: ProbeTarget): void {
    this.#startProbing(target);
  }

  /** A client of its own, to see how a run has ended. */
  connect(): Promise<PrkDbClient> {
    return this.#connect(OBSERVER_NUMBER, this.#options.link);
  }

  #startClient(clientNumber: number): void {
    const random = this.#options.world.fork();
    const connected = this.#connect(clientNumber, this.#callerOf(clientNumber));
    for (let worker = 0; worker < this.#options.plan.workersEach; worker++) {
      this.#calls.push(this.#work(connected, { clientNumber, random: new SeededRandom(random.word()) }));
    }
  }

  /** Every other client goes through a balancer that knows of no leaders: its calls are forwarded. */
  #callerOf(clientNumber: number): UnaryCaller {
    const { link, world, fleet } = this.#options;
    if (clientNumber % 2 === 0) return link;
    return balanced(link, { random: world.fork(), machines: fleet.machines });
  }

  async #work(
    connected: Promise<PrkDbClient>,
    who: Pick<WorkerIdentity, "clientNumber" | "random">,
  ): Promise<void> {
    const workload = this.#workload({ ...who, client: await connected, timeoutsMs: TIMEOUTS_MS });
    while (!this.#isOver) {
      await workload.step();
      await this.#pause(who.random.below(this.#options.thinkMsMax + 1));
    }
  }

  async #startProbe(clientNumber: number): Promise<void> {
    const { world, link } = this.#options;
    const random = world.fork();
    const probe = new SplitBrainProbe(world, link);
    const client = await this.#connect(clientNumber, probe);
    const workload = this.#workload({ client, clientNumber, random, timeoutsMs: [PROBE_TIMEOUT_MS] });
    this.#startProbing = (target) => this.#calls.push(probe.go(target, workload));
  }

  #workload(who: WorkerIdentity): Workload {
    const { world, judge, ledger, records, keys, plan: { paddingMax, partitionCount } } = this.#options;
    return new Workload({
      ...who,
      world,
      judge,
      ledger,
      records,
      keys,
      paddingMax,
      partitionCount,
      counters: COUNTERS,
      brief: BRIEF_KEYS,
    });
  }

  async #connect(number: number, caller: UnaryCaller): Promise<PrkDbClient> {
    const { world, fleet } = this.#options;
    const random = world.fork();
    const clock = clientClock(world, `client ${number}`);
    for (;;) {
      const known = fleet.machines.filter(({ state }) => state !== "removed");
      const addresses = known.map(({ id }) => addressOf(id));
      try {
        return await PrkDbClient.connect(addresses, {
          caller,
          clock,
          random: () => random.word() / 2 ** 32,
        });
      } catch (error) {
        if (!(error instanceof PrkDbError)) throw error;
        await this.#pause(RECONNECT_MS);
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.world.plan(delayMs, "pause", resolve));
  }
}
