/**
 * What the simulated clients do, one call after the other, and what they remember of it. Every put has a
 * value of its own, so that a read tells which write it saw.
 *
 * @module
 */

import type { BatchMutation, BatchResult } from "../../../client/arguments/batch.ts";
import type { CallOptions } from "../../../client/arguments/options.ts";
import type { PrkDbClient } from "../../../client/mod.ts";
import { NotANumberError, PreconditionError, PrkDbError } from "../../../client/transport/error.ts";
import { partitionOfKey } from "../../../proto/mod.ts";
import type {
  Condition,
  Operation,
  OperationOutcome,
  RegisterAction,
  WriteAction,
} from "../../linearizability/history.ts";
import type { StaleRead } from "../../linearizability/stale_reads.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Judge } from "../checks/judge.ts";
import type { ReplicationLedger } from "../checks/ledger.ts";
import type { World } from "../world/world.ts";

/** What a worker works with. */
export interface WorkloadOptions {
  readonly world: World;
  readonly judge: Judge;
  readonly ledger: ReplicationLedger;
  readonly client: PrkDbClient;
  readonly clientNumber: number;
  readonly random: SeededRandom;
  readonly keys: readonly string[];
  /** Keys that are incremented. */
  readonly counters: readonly string[];
  /** Keys that expire now and then. */
  readonly brief: readonly string[];
  readonly partitionCount: number;
  /** Longest filling of a value, in bytes. */
  readonly paddingMax: number;
  readonly records: Records;
  /** How long a call may take, one of these in milliseconds. */
  readonly timeoutsMs: readonly number[];
}

/** What all workers remember. */
export class Records {
  readonly operations: Operation[] = [];
  readonly staleReads: StaleRead[] = [];
  /** Writes that were acknowledged. */
  acknowledged = 0;
  /** Writes of which nobody knows what became. */
  unknown = 0;
  reads = 0;
  /** Increments that were acknowledged, and those of what was no number. */
  increments = 0;
  notNumbers = 0;
  #lastValue = 0;

  /** A value nobody has written before. */
  newValue(): string {
    return `value-${++this.#lastValue}`;
  }
}

/** Milliseconds a stale read may be behind, and what clocks that drift may add. */
const STALE_MS_MAX = 2_000;
const DRIFT_FACTOR = 1.2;

/** What clocks that drift may take from a time to live; and what is lost where a leader rounds. */
const TTL_DRIFT_FACTOR = 1.06;
const TTL_ROUNDING_MS = 2;
/** Of some a read is under way when their time comes; most are gone before anybody asks. */
const TTLS_MS: readonly number[] = [1, 20, 100, 500, 2_000, 10_000];

/** A write of one key; a put may say how long it lasts. */
interface Write {
  readonly key: string;
  readonly action: WriteAction;
  readonly ttlMs?: number;
}

type Step = (this: Workload) => Promise<void>;

/** When a put was asked for, and how long it is to last. */
interface TimeToLive {
  readonly invokedAt: number;
  readonly ttlMs: number;
}

/** What became of a write, and when it was asked for. */
interface WriteFate {
  readonly outcome: OperationOutcome;
  readonly invokedAt: number;
}

/** One worker. */
export class Workload {
  readonly #options: WorkloadOptions;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Makes one call and waits for what comes of it. */
  async step(): Promise<void> {
    const dice = this.#options.random.below(100);
    const [, step] = STEPS.find(([below]) => dice < below)!;
    await step.call(this);
  }

  async put(): Promise<void> {
    await this.#write({ key: this.#key(), action: { kind: "put", value: this.#value() } });
  }

  async remove(): Promise<void> {
    await this.#write({ key: this.#key(), action: { kind: "delete" } });
  }

  /** Only if nobody else was faster. */
  async create(): Promise<void> {
    const condition: Condition = { kind: "absent" };
    await this.#write({ key: this.#key(), action: { kind: "put", value: this.#value(), condition } });
  }

  /** One key of `partitionId` after the other, if it has any. */
  async writeAndRead(partitionId: number): Promise<void> {
    const { keys, partitionCount } = this.#options;
    const encoder = new TextEncoder();
    const own = keys.filter((key) => partitionOfKey(encoder.encode(key), partitionCount) === partitionId);
    for (const key of own) {
      await this.#write({ key, action: { kind: "put", value: this.#value() } });
      await this.#readEntry(key);
    }
  }

  /** Compare and set: what was read must still be there. */
  async exchange(): Promise<void> {
    const key = this.#key();
    const version = await this.#readEntry(key);
    if (version === undefined) return;
    const condition: Condition = version === 0 ? { kind: "absent" } : { kind: "version", version };
    const isDelete = this.#options.random.chance(20);
    const action: Write["action"] = isDelete
      ? { kind: "delete", condition }
      : { kind: "put", value: this.#value(), condition };
    await this.#write({ key, action });
  }

  /**
   * Mostly counts; now and then the number is replaced by another, or by what is none, or removed, which
   * increments that travel with others must survive.
   */
  async count(): Promise<void> {
    const { random, counters } = this.#options;
    const key = random.pick(counters);
    const dice = random.below(100);
    if (dice < 70) await this.#write({ key, action: this.#increment() });
    else if (dice < 90) await this.#readEntry(key);
    else if (dice < 94) await this.#write({ key, action: { kind: "put", value: String(random.below(9)) } });
    else if (dice < 96) await this.#write({ key, action: { kind: "put", value: this.#value() } });
    else await this.#write({ key, action: { kind: "delete" } });
  }

  /** Keys that go by themselves, are written again, and read all the while. */
  async pass(): Promise<void> {
    const { random, brief } = this.#options;
    const key = random.pick(brief);
    const value = this.#value();
    const ttl = { ttlMs: random.pick(TTLS_MS) };
    const dice = random.below(100);
    if (dice < 30) await this.#write({ key, action: { kind: "put", value }, ...ttl });
    else if (dice < 40) await this.#write({ key, action: { kind: "put", value } });
    else if (dice < 55) {
      await this.#write({ key, action: { kind: "put", value, condition: { kind: "absent" } }, ...ttl });
    } else if (dice < 60) await this.#write({ key, action: { kind: "delete" } });
    else await this.#readEntry(key, dice < 85 ? "linearizable" : "follower");
  }

  async read(): Promise<void> {
    await this.#readEntry(this.#key());
  }

  async readFollower(): Promise<void> {
    await this.#readEntry(this.#key(), "follower");
  }

  async readStale(): Promise<void> {
    const { client, world, ledger, records, clientNumber } = this.#options;
    const key = this.#key();
    const maxStalenessMs = this.#options.random.chance(50) ? 1 + this.#options.random.below(STALE_MS_MAX) : 0;
    const bound = maxStalenessMs === 0 ? Infinity : maxStalenessMs * DRIFT_FACTOR;
    const invokedAt = world.nowMs;
    const floor = bound === Infinity ? 0 : ledger.floor(key, invokedAt - bound);
    const bounded = maxStalenessMs === 0 ? {} : { maxStalenessMs };
    const entry = await this.#answerOf(() =>
      client.getEntry(key, { ...this.#limits(), consistency: "stale", ...bounded })
    );
    if (entry === undefined) return;
    const value = textOf(entry.value?.value);
    ledger.seen({ key, value, floor });
    const reading = value === undefined
      ? { kind: "absent" } as const
      : { kind: "found", value, version: entry.value!.version } as const;
    records.staleReads.push({
      client: clientNumber,
      key,
      reading,
      bound,
      invokedAt,
      returnedAt: world.nowMs,
    });
  }

  async readMany(): Promise<void> {
    const { client, world, ledger, random } = this.#options;
    const keys = this.#options.keys.filter(() => random.chance(40));
    if (keys.length === 0) return;
    const invokedAt = world.nowMs;
    const floors = keys.map((key) => ledger.floor(key));
    const values = await this.#answerOf(() => client.getMany(keys, this.#limits()));
    if (values === undefined) return;
    keys.forEach((key, at) => {
      const value = textOf(values.value[at]);
      ledger.seen({ key, value, floor: floors[at]! });
      const outcome: OperationOutcome = value === undefined ? { kind: "absent" } : { kind: "found", value };
      this.#record({ key, action: { kind: "get" }, outcome, invokedAt });
    });
  }

  async batch(): Promise<void> {
    const { client, world, random } = this.#options;
    const writes = this.#options.keys.filter(() => random.chance(30)).map((key): Write => ({
      key,
      action: random.chance(20) ? { kind: "delete" } : { kind: "put", value: this.#value() },
    }));
    // A batch with what is no number would be refused as a whole, and say little.
    if (random.chance(30)) writes.push({ key: random.pick(this.#options.counters), action: ADD_ONE });
    if (writes.length === 0) return;
    const invokedAt = world.nowMs;
    const results = await this.#answerOf(() => client.writeBatch(writes.map(mutationOf), this.#limits()));
    writes.forEach((write, at) => {
      const outcome = this.#outcomeOfResult(write.action, results?.value[at]);
      this.#settle(write, { outcome, invokedAt });
    });
  }

  async #write(write: Write): Promise<void> {
    const { client, ledger, world } = this.#options;
    const { key, action, ttlMs } = write;
    const floor = ledger.floor(key);
    const invokedAt = world.nowMs;
    if (ttlMs !== undefined) this.#noteExpiry(write, { invokedAt, ttlMs });
    const ttl = ttlMs === undefined ? {} : { ttlMs };
    const limits = { ...this.#limits(), ...preconditionOf(action.condition), ...ttl };
    let outcome: OperationOutcome;
    try {
      if (action.kind === "put") {
        outcome = { kind: "written", version: (await client.put(key, action.value, limits)).version };
      } else if (action.kind === "increment") {
        const value = String(await client.increment(key, action.by, limits));
        // It tells no version, but must have been there since the call.
        ledger.seen({ key, value, floor });
        outcome = { kind: "incremented", value };
      } else {
        outcome = { kind: "deleted", ...await client.delete(key, limits) };
      }
    } catch (error) {
      outcome = this.#outcomeOf(error);
    }
    this.#settle(write, { outcome, invokedAt });
  }

  /** Reads `key`; its version, 0 for no such key, `undefined` if there was no answer. */
  async #readEntry(
    key: string,
    consistency: "linearizable" | "follower" = "linearizable",
  ): Promise<number | undefined> {
    const { client, world, ledger } = this.#options;
    const invokedAt = world.nowMs;
    const floor = ledger.floor(key);
    const answer = await this.#answerOf(() => client.getEntry(key, { ...this.#limits(), consistency }));
    if (answer === undefined) return undefined;
    const entry = answer.value;
    const value = textOf(entry?.value);
    ledger.seen({ key, value, floor });
    if (entry !== undefined) ledger.heard(world.nowMs, { key, version: entry.version });
    const outcome: OperationOutcome = value === undefined
      ? { kind: "absent" }
      : { kind: "found", value, version: entry!.version };
    this.#record({ key, action: { kind: "get" }, outcome, invokedAt });
    return entry?.version ?? 0;
  }

  #noteExpiry({ key, action }: Write, { invokedAt, ttlMs }: TimeToLive): void {
    if (action.kind !== "put") return;
    const dueAt = invokedAt + Math.max(0, ttlMs / TTL_DRIFT_FACTOR - TTL_ROUNDING_MS);
    this.#options.records.operations.push({
      client: this.#options.clientNumber,
      key,
      action: { kind: "expire", value: action.value },
      outcome: { kind: "unknown" },
      invokedAt: dueAt,
      returnedAt: dueAt,
    });
  }

  #settle(write: Write, fate: WriteFate): void {
    const { world, ledger, records } = this.#options;
    const { key, action } = write;
    const { outcome } = fate;
    if (outcome.kind === "notANumber") records.notNumbers++;
    if (outcome.kind === "incremented") {
      records.increments++;
      const { value, version } = outcome;
      if (version !== undefined) ledger.acknowledged(world.nowMs, { key, value, version });
    } else if (outcome.kind === "written" || outcome.kind === "deleted") {
      records.acknowledged++;
      const value = action.kind === "put" ? action.value : undefined;
      ledger.acknowledged(world.nowMs, { key, value, version: outcome.version });
    } else if (outcome.kind === "unknown") records.unknown++;
    this.#record({ key, action, ...fate });
  }

  #record(operation: Omit<Operation, "client" | "returnedAt">): void {
    const { clientNumber, records, world } = this.#options;
    if (operation.action.kind === "get") records.reads++;
    world.trace.note(
      `client ${clientNumber} ${operation.action.kind} ${operation.key} ${operation.outcome.kind}`,
    );
    records.operations.push({ client: clientNumber, ...operation, returnedAt: world.nowMs });
  }

  /** The answer in an object of its own, as it may be `undefined`; nothing if there was none. */
  async #answerOf<Result>(call: () => Promise<Result>): Promise<{ readonly value: Result } | undefined> {
    try {
      return { value: await call() };
    } catch (error) {
      this.#outcomeOf(error);
      return undefined;
    }
  }

  #increment(): RegisterAction & { readonly kind: "increment" } {
    const { random } = this.#options;
    const by = random.pick([1, 1, 1, 2, -1]);
    return random.chance(10)
      ? { kind: "increment", by, condition: { kind: "exists" } }
      : { kind: "increment", by };
  }

  #outcomeOf(error: unknown): OperationOutcome {
    if (error instanceof PreconditionError) {
      const { currentVersion } = error;
      return currentVersion === undefined ? { kind: "failed" } : { kind: "refused", currentVersion };
    }
    if (error instanceof NotANumberError) return { kind: "notANumber" };
    const isExpected = error instanceof PrkDbError && EXPECTED_CODES.has(error.code);
    if (!isExpected) this.#options.judge.fail("a client got an error it must not get", error);
    return { kind: "unknown" };
  }

  #outcomeOfResult(action: RegisterAction, result: BatchResult | undefined): OperationOutcome {
    if (result === undefined) return { kind: "unknown" };
    if (result.kind === "failed") return this.#outcomeOf(result.error);
    const { version, existed, value } = result;
    if (value !== undefined) return { kind: "incremented", value: String(value), version };
    return action.kind === "put" ? { kind: "written", version } : { kind: "deleted", existed, version };
  }

  #limits(): CallOptions {
    return { timeoutMs: this.#options.random.pick(this.#options.timeoutsMs) };
  }

  #key(): string {
    return this.#options.random.pick(this.#options.keys);
  }

  #value(): string {
    const { records, random, paddingMax } = this.#options;
    return records.newValue() + ".".repeat(random.below(paddingMax + 1));
  }
}

/** Each with the number out of 100 below which it is chosen. */
const ADD_ONE = { kind: "increment", by: 1 } as const;

const STEPS: readonly (readonly [below: number, step: Step])[] = [
  [12, Workload.prototype.put],
  [20, Workload.prototype.count],
  [28, Workload.prototype.pass],
  [35, Workload.prototype.remove],
  [40, Workload.prototype.create],
  [54, Workload.prototype.exchange],
  [72, Workload.prototype.read],
  [80, Workload.prototype.readFollower],
  [88, Workload.prototype.readStale],
  [94, Workload.prototype.readMany],
  [100, Workload.prototype.batch],
];

/** All that may come of a call in bad times. */
const EXPECTED_CODES: ReadonlySet<string> = new Set([
  "unavailable",
  "deadline_exceeded",
  "aborted",
  "resource_exhausted",
]);

function preconditionOf(condition: Condition | undefined) {
  if (condition === undefined) return {};
  switch (condition.kind) {
    case "absent":
      return { precondition: { absent: true as const } };
    case "exists":
      return { precondition: { exists: true as const } };
    case "version":
      return { precondition: { version: condition.version } };
  }
}

function mutationOf({ key, action }: Write): BatchMutation {
  switch (action.kind) {
    case "put":
      return { kind: "put", key, value: action.value };
    case "increment":
      return { kind: "increment", key, by: action.by };
    case "delete":
      return { kind: "delete", key };
  }
}

function textOf(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value);
}
