/**
 * Workers that put, delete, compare-and-set and read a few keys without end, everything recorded, so that the
 * history can be judged. Few keys and unique values: calls collide often, and every value read tells which
 * write it is from.
 *
 * A worker makes one call at a time. What it last learned of a key is what it compares with, so that some
 * conditions hold and some do not.
 *
 * @module
 */

import type { Condition, Operation } from "../../linearizability/history.ts";
import { pause } from "../patience.ts";
import type { SeededRandom } from "../seeded_random.ts";
import type { RecordedClient } from "./history.ts";

const KEYS_OF_GET_MANY = 3;

/** What to do. */
export interface MixedLoadOptions {
  /** Each is used by one worker. */
  readonly clients: readonly RecordedClient[];
  readonly keys: readonly string[];
  readonly random: SeededRandom;
  /** Deadline of one call, in milliseconds. */
  readonly timeoutMs: number;
  /** Between two calls of a worker, in milliseconds; leaves the processor to those under test. */
  readonly pauseMs: number;
}

/** What the next call may write, and the versions it may compare with. */
interface NextCall {
  readonly value: string;
  readonly known: ReadonlyMap<string, number>;
}

/** See the module comment. */
export class MixedLoad {
  readonly #options: MixedLoadOptions;
  readonly #done: Promise<unknown>;
  readonly #unknown: Operation[] = [];
  #answered = 0;
  #writes = 0;
  #slowestMs = 0;
  #isStopping = false;

  private constructor(options: MixedLoadOptions) {
    this.#options = options;
    this.#done = Promise.all(options.clients.map((client, worker) => this.#work(client, worker)));
  }

  /** Begins. */
  static start(options: MixedLoadOptions): MixedLoad {
    return new MixedLoad(options);
  }

  /** Calls that were answered, refusals included. */
  get answered(): number {
    return this.#answered;
  }

  /** Writes that were acknowledged as applied. */
  get writes(): number {
    return this.#writes;
  }

  /** Operations that got no answer, or one that leaves the outcome open. */
  get unknown(): readonly Operation[] {
    return this.#unknown;
  }

  /** The longest any call took, answered or not, in milliseconds. */
  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** Resolves when every worker has had its last answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  /** As `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #work(client: RecordedClient, worker: number): Promise<void> {
    const known = new Map<string, number>();
    const { pauseMs } = this.#options;
    for (let number = 0; !this.#isStopping; number++) {
      const operations = await this.#call(client, { value: `${worker}-${number}`, known });
      for (const operation of operations) {
        this.#count(operation);
        learn(known, operation);
      }
      await pause(pauseMs);
    }
  }

  async #call(
    client: RecordedClient,
    { value, known }: NextCall,
  ): Promise<readonly Operation[]> {
    const { random, keys, timeoutMs } = this.#options;
    const key = random.pick(keys);
    const condition = conditionFor(known.get(key) ?? 0);
    const dice = random.below(100);
    if (dice < 25) return [await client.get(key, { timeoutMs })];
    if (dice < 40) return [await client.get(key, { timeoutMs, consistency: "follower" })];
    if (dice < 48) return await client.getMany(this.#someKeys(), { timeoutMs });
    if (dice < 68) return [await client.put(key, value, { timeoutMs })];
    if (dice < 86) return [await client.put(key, value, { timeoutMs, condition })];
    if (dice < 92) {
      return await client.putMany(new Map(this.#someKeys().map((each) => [each, value])), { timeoutMs });
    }
    if (dice < 96) return [await client.delete(key, { timeoutMs })];
    return [await client.delete(key, { timeoutMs, condition })];
  }

  #someKeys(): readonly string[] {
    const { random, keys } = this.#options;
    return [...new Set(Array.from({ length: KEYS_OF_GET_MANY }, () => random.pick(keys)))];
  }

  #count(operation: Operation): void {
    const { outcome, invokedAt, returnedAt } = operation;
    this.#slowestMs = Math.max(this.#slowestMs, returnedAt - invokedAt);
    if (outcome.kind === "unknown" || outcome.kind === "failed") this.#unknown.push(operation);
    else this.#answered++;
    if (outcome.kind === "written" || outcome.kind === "deleted") this.#writes++;
  }
}

function conditionFor(version: number): Condition {
  return version === 0 ? { kind: "absent" } : { kind: "version", version };
}

function learn(known: Map<string, number>, { key, outcome }: Operation): void {
  switch (outcome.kind) {
    case "written":
      known.set(key, outcome.version);
      break;
    case "found":
      if (outcome.version !== undefined) known.set(key, outcome.version);
      break;
    case "refused":
      known.set(key, outcome.currentVersion);
      break;
    case "absent":
    case "deleted":
      known.set(key, 0);
      break;
    default:
      break;
  }
}
