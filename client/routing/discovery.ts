/**
 * Asks nodes for the cluster's metadata: one round at a time for all that want it, one node after the other,
 * the next one as soon as the last has failed or been silent for half a second; the first answer counts. Also
 * tells a node that is busy from one that is paused or cut off, by asking it something that costs nothing.
 *
 * @module
 */

import { fromBinary } from "@bufbuild/protobuf";
import { GetMetadataResponseSchema } from "../../proto/mod.ts";
import {
  type ClientClock,
  errorOf,
  failureOf,
  NotFoundedError,
  PrkDbError,
  sleep,
  type UnaryCaller,
} from "../transport/mod.ts";
import type { Routes } from "./routes.ts";
import { checkSeeds, METADATA_PATH, METADATA_REQUEST } from "./seed_check.ts";

/** Silence after which the next node is asked as well. */
const STAGGER_MS = 500;

/** A node that has not answered by then is taken as not answering. */
const ASK_LIMIT_MS = 3_000;

/** Between two questions to a cluster that is being founded. */
const FOUNDING_PAUSE_MS = 50;

/** How long a given address that no metadata names is waited for, once another one has answered. */
const SEED_LIMIT_MS = 500;

/** A node that has been silent on a call must answer a probe within this time to be waited for. */
const PROBE_LIMIT_MS = 700;

/** What discovery works with. */
export interface DiscoveryOptions {
  readonly caller: UnaryCaller;
  readonly routes: Routes;
  readonly clock: ClientClock;
  /** Numbers in `[0, 1)`. */
  readonly random: () => number;
}

/** A time that passes. */
interface Pause {
  /** Resolves when it has passed. */
  readonly end: Promise<undefined>;
  readonly cancel: () => void;
}

/** One round of questions. */
interface Round {
  /** Why nodes gave no usable answer, by address; `undefined` while one is waited for. */
  readonly failures: Map<string, Error | undefined>;
  /** Rejects when nobody is left to ask. */
  readonly end: Promise<void>;
}

/** See the module comment. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  #round: Round | undefined;
  /** Asked in the latest round. */
  #asked: ReadonlyMap<string, unknown> = new Map();
  /** Who answered last. */
  #answeredBy: string | undefined;
  readonly #probes = new Map<string, Promise<boolean>>();

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /**
   * Brings the routes up to date; calls that come while a round is under way share it.
   *
   * @param limitMs how long it is waited for, until nobody is left to ask unless given; the round goes on
   * @throws {PrkDbError} `unavailable` when no node gave a usable answer
   */
  async refresh(limitMs?: number): Promise<void> {
    const round = this.#round ??= this.#begin();
    if (limitMs === undefined) return await round.end;
    const limit = this.#pause(limitMs);
    try {
      const isDone = await Promise.race([round.end.then(() => true), limit.end]);
      if (isDone === undefined) throw noMetadataError(round.failures, limitMs);
    } finally {
      limit.cancel();
    }
  }

  /**
   * Like `refresh`, for the first time: while the cluster is being founded, which takes an election, it is
   * asked again. Then the given addresses are checked to be those of one cluster.
   *
   * @throws {PrkDbError} `unavailable` when no node gave a usable answer, in `limitMs` milliseconds at most;
   *   `invalid_argument` when the addresses belong to several clusters
   */
  async meet(limitMs: number): Promise<void> {
    const { clock, routes } = this.#options;
    const giveUpMs = clock.now() + limitMs;
    let unfounded: unknown;
    for (;;) {
      try {
        await this.refresh(Math.max(1, Math.ceil(giveUpMs - clock.now())));
        break;
      } catch (error) {
        if (!routes.isUnfounded) throw error;
        // The last round may have had no time left to hear anything.
        if (clock.now() + FOUNDING_PAUSE_MS > giveUpMs) throw unfounded ?? error;
        unfounded = error;
        await sleep(clock, FOUNDING_PAUSE_MS);
      }
    }
    await this.#checkSeeds(giveUpMs - clock.now());
  }

  /** Those that were asked already have failed, or have been waited for. */
  async #checkSeeds(leftMs: number): Promise<void> {
    const { caller, clock, routes } = this.#options;
    const isKnown = (address: string) => routes.isMember(address) || address === this.#answeredBy;
    const members = routes.seeds.filter(isKnown);
    const others = routes.seeds.filter((address) => !isKnown(address) && !this.#asked.has(address));
    const limitMs = Math.max(1, Math.min(SEED_LIMIT_MS, Math.ceil(leftMs)));
    if (others.length === 0) return;
    await checkSeeds({ caller, clock, clusterId: routes.clusterId, members, others, limitMs });
  }

  /** Like `refresh`, for callers that go on with the routes they have when nobody answers. */
  async tryRefresh(limitMs?: number): Promise<void> {
    try {
      await this.refresh(limitMs);
    } catch (error) {
      if (!(error instanceof PrkDbError)) throw error;
    }
  }

  /**
   * Whether `address` answers at all at this moment. One that does not is avoided from then on, and the other
   * nodes are asked who leads now.
   */
  probe(address: string): Promise<boolean> {
    let probe = this.#probes.get(address);
    if (probe === undefined) {
      probe = this.#probe(address).finally(() => this.#probes.delete(address));
      this.#probes.set(address, probe);
    }
    return probe;
  }

  async #probe(address: string): Promise<boolean> {
    try {
      await this.#ask(address, PROBE_LIMIT_MS);
      return true;
    } catch {
      this.#options.routes.suspect(address);
      await this.tryRefresh();
      return false;
    }
  }

  #begin(): Round {
    const failures: Round["failures"] = new Map();
    this.#asked = failures;
    const end = this.#askAll(failures).finally(() => this.#round = undefined);
    // A caller that waits only for a time may have left before it fails.
    end.catch(() => {});
    return { failures, end };
  }

  async #askAll(failures: Round["failures"]): Promise<void> {
    const asked: Promise<boolean>[] = [];
    for (const address of this.#order()) {
      failures.set(address, undefined);
      const answer = this.#ask(address, ASK_LIMIT_MS).then(() => true, (error) => {
        failures.set(address, error);
        return false;
      });
      asked.push(answer);
      const pause = this.#pause(STAGGER_MS);
      const isAnswered = await Promise.race([answer, pause.end]);
      pause.cancel();
      if (isAnswered === true) return;
    }
    if (await firstTrue(asked)) return;
    throw noMetadataError(failures, ASK_LIMIT_MS);
  }

  /**
   * All nodes in random order; after them seeds and former members, which may be removed and know only what
   * was then; after all of these the nodes that lately did not answer.
   */
  #order(): readonly string[] {
    const { routes, random } = this.#options;
    const rank = (address: string) =>
      (routes.isSuspect(address) ? 2 : 0) + (routes.isMember(address) ? 0 : 1);
    return routes.addresses
      .map((address) => ({ address, rank: random() + rank(address) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ address }) => address);
  }

  /** Asks one node and takes its answer into the routes. */
  async #ask(address: string, limitMs: number): Promise<void> {
    const { caller, routes } = this.#options;
    const controller = new AbortController();
    const limit = this.#pause(limitMs);
    const call = caller.call({
      address,
      path: METADATA_PATH,
      body: METADATA_REQUEST,
      timeoutMs: limitMs,
      direct: false,
      clusterId: routes.clusterId,
      readOnly: true,
      signal: controller.signal,
    });
    // Whatever comes of it after the limit is of no interest.
    call.catch(() => {});
    try {
      const response = await Promise.race([call, limit.end]);
      if (response === undefined) throw new PrkDbError("unavailable", `no answer within ${limitMs} ms`);
      routes.learn(fromBinary(GetMetadataResponseSchema, response));
      routes.trust(address);
      this.#answeredBy = address;
    } catch (error) {
      if (error instanceof PrkDbError) throw error;
      const failure = failureOf(error);
      routes.noteFailure(address, failure);
      throw errorOf(failure);
    } finally {
      limit.cancel();
      controller.abort();
    }
  }

  #pause(delayMs: number): Pause {
    let cancel = () => {};
    const end = new Promise<undefined>((resolve) => {
      cancel = this.#options.clock.after(delayMs, () => resolve(undefined));
    });
    return { end, cancel };
  }
}

/** What every node that was asked came to; `limitMs` is for those that are still waited for. */
function noMetadataError(failures: Round["failures"], limitMs: number): PrkDbError {
  const reasons = [...failures].map(([address, error]) =>
    `${address}: ${error?.message ?? `no answer within ${limitMs} ms`}`
  );
  const causes = [...failures.values()].filter((error) => error !== undefined);
  const cause = causes.length === 1 ? causes[0] : new AggregateError(causes);
  if (causes.some((error) => error instanceof NotFoundedError)) {
    return new NotFoundedError(
      "The cluster is not founded yet: that takes a majority of the nodes in --cluster-nodes. " +
        `Start the others, or wait for them (${reasons.join("; ")})`,
      { cause },
    );
  }
  return new PrkDbError(
    "unavailable",
    `Cannot reach the cluster, check its addresses: no node gave usable metadata (${reasons.join("; ")})`,
    { cause },
  );
}

/** Whether any of `answers`, none of which rejects, turns out true; as soon as one does. */
function firstTrue(answers: readonly Promise<boolean>[]): Promise<boolean> {
  const hits = answers.map(async (answer) => {
    if (!(await answer)) throw new Error("no");
    return true;
  });
  return Promise.any(hits).catch(() => false);
}
