/**
 * Histories that are right because they happened: clients call a register, every operation takes effect at
 * one instant between its call and its return, or after its answer was lost. And the same with one detail
 * changed, which may or may not make them wrong.
 *
 * @module
 */

import type { SeededRandom } from "../support/seeded_random.ts";
import {
  type Condition,
  conditionOf,
  type Operation,
  type OperationOutcome,
  type RegisterAction,
} from "./history.ts";

/** What happens. */
export interface RandomHistoryOptions {
  readonly random: SeededRandom;
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Of 100 operations, how many get no answer. */
  readonly unknownPercent: number;
  /** Of 100 reads, how many are told no version. */
  readonly unversionedPercent: number;
  /** How many values there are; `Infinity` if every put has its own. */
  readonly values: number;
  /**
   * Of 100 operations, how many are increments; with any, half of the puts put numbers. None unless given.
   */
  readonly incrementPercent?: number;
  /** Of 100 puts, how many set a time at which the key expires. None unless given. */
  readonly expiringPercent?: number;
}

/** Who calls an expiry. */
const NOBODY = -1;

/** What a client is about. */
interface Call {
  readonly client: number;
  readonly key: string;
  readonly action: RegisterAction;
  readonly invokedAt: number;
  readonly effectAt: number;
  readonly returnedAt: number;
  readonly isAnswered: boolean;
  outcome: OperationOutcome;
}

interface Item {
  value: string | undefined;
  version: number;
  /** The first write at that version, until somebody has looked. */
  writer: Call | undefined;
  /** When the first of the writes at that version returns. */
  batchEndsAt: number;
}

/** A history that is linearizable. */
export function randomHistory(options: RandomHistoryOptions): Operation[] {
  return new Scene(options).play();
}

class Scene {
  readonly #options: RandomHistoryOptions;
  readonly #random: SeededRandom;
  readonly #items = new Map<string, Item>();
  /** What each client last heard of a version, by client and key. */
  readonly #heard = new Map<string, number>();
  readonly #underWay: Call[] = [];
  readonly #calls: Call[] = [];
  #version = 0;

  constructor(options: RandomHistoryOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  play(): Operation[] {
    const { clients, operations } = this.#options;
    const freeAt = Array.from({ length: clients }, () => this.#random.below(20));
    while (this.#calls.length < operations) {
      const nowAt = Math.min(...freeAt);
      this.#takeEffect(nowAt);
      const client = freeAt.indexOf(nowAt);
      const call = this.#call(client, nowAt);
      this.#calls.push(call);
      this.#underWay.push(call);
      this.#mayExpire(call);
      freeAt[client] = call.returnedAt + 1 + this.#random.below(10);
    }
    this.#takeEffect(Infinity);
    return this.#calls.map(toOperation);
  }

  #call(client: number, nowAt: number): Call {
    const random = this.#random;
    const key = `key-${random.below(this.#options.keys)}`;
    const action = this.#action(client, key);
    const effectAt = nowAt + 1 + random.below(20);
    const isAnswered = !random.chance(this.#options.unknownPercent);
    const returnedAt = isAnswered ? effectAt + 1 + random.below(20) : nowAt + 1 + random.below(40);
    // Without an answer it may take effect long after the client has given up, or never.
    const lateAt = random.chance(30) ? Infinity : effectAt + random.below(100);
    const outcome = { kind: "unknown" } as const;
    return {
      client,
      key,
      action,
      invokedAt: nowAt,
      effectAt: isAnswered ? effectAt : lateAt,
      returnedAt,
      isAnswered,
      outcome,
    };
  }

  /** Its time comes some while after the put was called, if ever, whether that is answered or not. */
  #mayExpire({ key, action, invokedAt }: Call): void {
    const { expiringPercent = 0 } = this.#options;
    if (action.kind !== "put" || expiringPercent === 0 || !this.#random.chance(expiringPercent)) return;
    const dueAt = invokedAt + 1 + this.#random.below(100);
    const expiry: Call = {
      client: NOBODY,
      key,
      action: { kind: "expire", value: action.value },
      invokedAt: dueAt,
      effectAt: this.#random.chance(30) ? Infinity : dueAt + this.#random.below(60),
      returnedAt: dueAt,
      isAnswered: false,
      outcome: { kind: "unknown" },
    };
    this.#calls.push(expiry);
    this.#underWay.push(expiry);
  }

  #action(client: number, key: string): RegisterAction {
    const random = this.#random;
    const { values, incrementPercent = 0 } = this.#options;
    const number = values === Infinity ? this.#calls.length : random.below(values);
    const isNumber = incrementPercent > 0 && random.chance(50);
    const value = isNumber ? String(number) : `value-${number}`;
    const condition = this.#condition(client, key);
    if (incrementPercent > 0 && random.chance(incrementPercent)) return this.#increment(condition);
    const dice = random.below(100);
    if (dice < 45) return { kind: "get" };
    if (dice < 70) return { kind: "put", value };
    if (dice < 85) return { kind: "put", value, condition };
    return dice < 95 ? { kind: "delete" } : { kind: "delete", condition };
  }

  #increment(condition: Condition): RegisterAction {
    const by = this.#random.pick([1, 2, -1]);
    const exists: Condition = { kind: "exists" };
    return { kind: "increment", by, condition: this.#random.pick([undefined, undefined, condition, exists]) };
  }

  #condition(client: number, key: string): Condition {
    const version = this.#heard.get(`${client} ${key}`) ?? 0;
    return version === 0 ? { kind: "absent" } : { kind: "version", version };
  }

  #takeEffect(nowAt: number): void {
    const due = this.#underWay.filter(({ effectAt }) => effectAt <= nowAt && effectAt !== Infinity)
      .sort((a, b) => a.effectAt - b.effectAt);
    for (const call of due) {
      this.#underWay.splice(this.#underWay.indexOf(call), 1);
      const outcome = this.#apply(call);
      if (call.isAnswered) call.outcome = outcome;
    }
  }

  #apply(call: Call): OperationOutcome {
    const { key, action } = call;
    const item = this.#items.get(key) ?? { value: undefined, version: 0, writer: undefined, batchEndsAt: 0 };
    this.#items.set(key, item);
    if (action.kind === "get") return this.#read(call, item);
    if (action.kind === "expire") return this.#expire(item, action.value);
    const current = item.value === undefined ? 0 : item.version;
    if (action.condition !== undefined && !holds(action.condition, current)) {
      this.#heard.set(`${call.client} ${key}`, current);
      return { kind: "refused", currentVersion: current };
    }
    if (action.kind === "increment") return this.#add(call, { item, by: action.by });
    const existed = item.value !== undefined;
    item.value = action.kind === "put" ? action.value : undefined;
    const version = this.#takeVersion(call, item);
    this.#heard.set(`${call.client} ${key}`, action.kind === "put" ? version : 0);
    return action.kind === "put" ? { kind: "written", version } : { kind: "deleted", existed, version };
  }

  #expire(item: Item, value: string): OperationOutcome {
    if (item.value === value) Object.assign(item, { value: undefined, writer: undefined });
    return { kind: "unknown" };
  }

  #add(call: Call, { item, by }: { readonly item: Item; readonly by: number }): OperationOutcome {
    const before = Number(item.value ?? "0");
    if (!Number.isInteger(before)) return { kind: "notANumber" };
    const value = String(before + by);
    item.value = value;
    const version = this.#takeVersion(call, item);
    this.#heard.set(`${call.client} ${call.key}`, version);
    const isUnversioned = this.#random.chance(this.#options.unversionedPercent);
    return { kind: "incremented", value, version: isUnversioned ? undefined : version };
  }

  #read(call: Call, item: Item): OperationOutcome {
    item.writer = undefined;
    if (item.value === undefined) return { kind: "absent" };
    this.#heard.set(`${call.client} ${call.key}`, item.version);
    const isUnversioned = this.#random.chance(this.#options.unversionedPercent);
    return { kind: "found", value: item.value, version: isUnversioned ? undefined : item.version };
  }

  /** Writes without conditions that all run at the same time may have gone into one batch. */
  #takeVersion(call: Call, item: Item): number {
    const mayJoin = item.writer !== undefined && isPlain(item.writer) && isPlain(call) &&
      call.effectAt < item.batchEndsAt && call.invokedAt < item.writer.effectAt;
    if (mayJoin && this.#random.chance(30)) {
      item.batchEndsAt = Math.min(item.batchEndsAt, call.returnedAt);
      return item.version;
    }
    this.#version += 1 + this.#random.below(3);
    Object.assign(item, { version: this.#version, writer: call, batchEndsAt: call.returnedAt });
    return item.version;
  }
}

function isPlain({ action, isAnswered }: Call): boolean {
  return isAnswered && action.kind !== "get" && conditionOf(action) === undefined;
}

function holds(condition: Condition, current: number): boolean {
  if (condition.kind === "exists") return current > 0;
  return current === (condition.kind === "absent" ? 0 : condition.version);
}

function toOperation({ client, key, action, outcome, invokedAt, returnedAt }: Call): Operation {
  return { client, key, action, outcome, invokedAt, returnedAt };
}

/** The history with one operation changed at random. */
export function mutated(history: readonly Operation[], random: SeededRandom): Operation[] {
  const at = random.below(history.length);
  const other = random.pick(history);
  return history.map((operation, position) =>
    position === at ? changed(operation, { other, random }) : operation
  );
}

/** Another operation of the history, and the chance that picks from it. */
interface MutationContext {
  readonly other: Operation;
  readonly random: SeededRandom;
}

function changed(
  operation: Operation,
  { other, random }: MutationContext,
): Operation {
  const { outcome, invokedAt, returnedAt } = operation;
  switch (random.below(5)) {
    case 0:
      return operation.action.kind === other.action.kind
        ? { ...operation, outcome: other.outcome }
        : operation;
    case 1: {
      const shift = random.below(80) - 40;
      return { ...operation, invokedAt: invokedAt + shift, returnedAt: returnedAt + shift };
    }
    case 2:
      return { ...operation, outcome: random.chance(50) ? { kind: "failed" } : { kind: "unknown" } };
    case 3:
      return outcome.kind === "found" ? { ...operation, outcome: { kind: "absent" } } : operation;
    default:
      return { ...operation, outcome: shifted(outcome, random.below(5) - 2) };
  }
}

function shifted(outcome: OperationOutcome, by: number): OperationOutcome {
  switch (outcome.kind) {
    case "written":
    case "deleted":
      return { ...outcome, version: Math.max(1, outcome.version + by) };
    case "found":
    case "incremented":
      return outcome.version === undefined
        ? outcome
        : { ...outcome, version: Math.max(1, outcome.version + by) };
    case "refused":
      return { ...outcome, currentVersion: Math.max(0, outcome.currentVersion + by) };
    default:
      return outcome;
  }
}
