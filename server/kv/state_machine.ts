/**
 * The keys and values of one partition: what its committed entries, applied in order, amount to.
 * Deterministic: the same entries make the same state on every replica.
 *
 * Keys expire by replicated time alone. It stands still while a command is applied, so that a key is there or
 * is not for all of a command, and for preconditions and mutations alike. One whose time is reached is not
 * there for anybody, though it takes its memory until a command removes it.
 *
 * Values are views of the entries' own bytes; nothing is copied. TODO(storage): the state lives in memory and
 * is rebuilt from the log when the node starts; the state store takes its place.
 *
 * @module
 */

import { unreachable } from "../../raft/mod.ts";
import { byteString } from "./byte_string.ts";
import { decodeCommand } from "./command.ts";
import { type ExpiredLimits, Expiry } from "./expiry.ts";
import { planIncrements } from "./increment.ts";
import type { FailedPrecondition, NewNumber, Outcome } from "./outcome.ts";
import { Sessions } from "./session.ts";
import type { Mutation, Precondition } from "./types.ts";
import { numberBytes } from "./whole_number.ts";

/** What a key holds. */
export interface Item {
  readonly value: Uint8Array;
  /** Log index at which the key was last changed. */
  readonly version: number;
}

/**
 * What an item costs besides its key: the object, the view of its value, its place in the map (twice, while
 * that grows). Measured with V8's heap statistics, 200,000 items with keys of 16 bytes: 213 bytes. The bytes
 * of the value are those of its entry and counted there; the number that an increment made has up to 20 of
 * its own, for which there is room in what is counted.
 */
const ITEM_MEMORY_BYTES = 240;

/** See the module comment. */
export class KvStateMachine {
  readonly #items = new Map<string, Item>();
  readonly #sessions = new Sessions();
  /** Invariant: each of its keys is one of the items. */
  readonly #expiry = new Expiry();
  /** The highest that leaders have stamped (`replicated_clock.ts`). Never goes back. */
  #timeMs = 0;
  #appliedIndex = 0;
  #stateBytes = 0;
  #keyBytes = 0;
  #expired = 0;

  /** Index of the last entry applied. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Replicated time the state stands at, in milliseconds. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Keys, with those that have expired and are not removed yet. */
  get keyCount(): number {
    return this.#items.size;
  }

  /** Bytes of keys and values, counted alike. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** Bytes of memory that items, their times and sessions take. */
  get memoryBytes(): number {
    return this.#items.size * ITEM_MEMORY_BYTES + this.#keyBytes + this.#expiry.memoryBytes +
      this.#sessions.memoryBytes;
  }

  /** The earliest replicated time at which a key expires or has expired; `undefined` if no key ever does. */
  get earliestExpiryMs(): number | undefined {
    return this.#expiry.earliestMs;
  }

  /** Keys that commands have removed since the start because they had expired. */
  get expired(): number {
    return this.#expired;
  }

  /** What `key` holds, `undefined` for no such key. */
  get(key: Uint8Array): Item | undefined {
    const name = byteString(key);
    return this.#isExpired(name) ? undefined : this.#items.get(name);
  }

  /** Replicated time at which `key` expires; `undefined` if it never does, or is not there. */
  expiresAtMs(key: Uint8Array): number | undefined {
    const expiresAtMs = this.#expiry.timeOf(byteString(key));
    return expiresAtMs === undefined || expiresAtMs <= this.#timeMs ? undefined : expiresAtMs;
  }

  /**
   * The latest time up to `nowMs` at which any key expires that is there by the state's own time; `undefined`
   * if there is none. With many keys that are due it may say `Infinity` for either.
   */
  latestDueMs(nowMs: number): number | undefined {
    return this.#expiry.latestIn({ afterMs: this.#timeMs, throughMs: nowMs });
  }

  /**
   * Keys whose time is `nowMs` or before, the earliest first, for a command that removes them.
   *
   * @param nowMs replicated time, which may be beyond that of the state
   */
  expiredKeys(nowMs: number, limits: ExpiredLimits): Uint8Array[] {
    return this.#expiry.due(nowMs, limits);
  }

  /**
   * Applies the command of the entry at `index`. Each entry is applied once, in the order of indexes.
   *
   * @throws {RangeError} when the bytes are not a command, or the index is not above the last one
   */
  apply(index: number, bytes: Uint8Array): Outcome {
    const command = decodeCommand(bytes);
    this.skip(index);
    this.#timeMs = Math.max(this.#timeMs, command.timeMs);
    const { requestId, mutations } = command;
    if (requestId === undefined) return this.#run(mutations, index);
    const known = this.#sessions.find(requestId);
    if (known !== undefined) return known;
    const outcome = this.#run(mutations, index);
    this.#sessions.remember(requestId, outcome, this.#timeMs);
    return outcome;
  }

  /**
   * Takes note of an entry that changes no key: the empty one of a new term, or a change of the group's
   * membership.
   */
  skip(index: number): void {
    if (index <= this.#appliedIndex) {
      throw new RangeError(
        `Cannot apply entry ${index} again: all up to ${this.#appliedIndex} are applied already`,
      );
    }
    this.#appliedIndex = index;
  }

  /** Every key with what it holds, in no order; with those that have expired and are not removed yet. */
  entries(): IterableIterator<[key: string, item: Item]> {
    return this.#items.entries();
  }

  /** Every key that has a time, reached or not, in no order; for state hashes. */
  expiryEntries(): Generator<readonly [key: string, expiresAtMs: number]> {
    return this.#expiry.entries();
  }

  /** All remembered outcomes, in an order that all replicas share; for state hashes. */
  sessionEntries(): Generator<readonly [clientId: string, sequence: number, outcome: Outcome]> {
    return this.#sessions.entries();
  }

  #run(mutations: readonly Mutation[], version: number): Outcome {
    const failures = this.#failedPreconditions(mutations);
    if (failures.length > 0) return { kind: "refused", failures };
    return hasIncrement(mutations) ? this.#increment(mutations, version) : this.#change(mutations, version);
  }

  /** Of a command with increments: changes nothing unless all of them can be done. */
  #increment(mutations: readonly Mutation[], version: number): Outcome {
    const { numbers, failures } = planIncrements(mutations, (key) => this.get(key)?.value);
    if (failures.length > 0) return { kind: "notNumbers", failures };
    return this.#change(mutations, version, numbers);
  }

  /** @param numbers where there are increments: the new number of each, in their order */
  #change(mutations: readonly Mutation[], version: number, numbers?: readonly NewNumber[]): Outcome {
    const existed: number[] = [];
    let increments = 0;
    for (let position = 0; position < mutations.length; position++) {
      const mutation = mutations[position]!;
      const name = byteString(mutation.key);
      switch (mutation.kind) {
        case "put":
          this.#put(name, { value: mutation.value, version });
          this.#setTime(name, mutation.ttlMs);
          break;
        case "delete":
          if (this.#delete(name)) existed.push(position);
          break;
        case "increment":
          this.#put(name, { value: numberBytes(numbers![increments++]!.number), version });
          // One that has expired began at 0, as a new key, whose time is not that of the old one.
          if (mutation.ttlMs > 0 || this.#isExpired(name)) this.#setTime(name, mutation.ttlMs);
          break;
        case "expire":
          if (this.#isExpired(name)) this.#removeExpired(name);
          break;
        default:
          unreachable(mutation);
      }
    }
    return numbers === undefined
      ? { kind: "applied", version, existed }
      : { kind: "applied", version, existed, numbers };
  }

  /** All preconditions of a command are about the state before it. */
  #failedPreconditions(mutations: readonly Mutation[]): FailedPrecondition[] {
    const failures: FailedPrecondition[] = [];
    mutations.forEach(({ key, precondition }, position) => {
      if (precondition === undefined) return;
      const currentVersion = this.get(key)?.version ?? 0;
      if (!holds(precondition, currentVersion)) failures.push({ position, currentVersion });
    });
    return failures;
  }

  #isExpired(name: string): boolean {
    const expiresAtMs = this.#expiry.timeOf(name);
    return expiresAtMs !== undefined && expiresAtMs <= this.#timeMs;
  }

  #setTime(name: string, ttlMs: number): void {
    if (ttlMs > 0) this.#expiry.set(name, this.#timeMs + ttlMs);
    else this.#expiry.clear(name);
  }

  #put(name: string, item: Item): void {
    const before = this.#items.get(name);
    this.#stateBytes += item.value.length - (before === undefined ? -name.length : before.value.length);
    if (before === undefined) this.#keyBytes += name.length;
    this.#items.set(name, item);
  }

  /** Returns whether the key was there. */
  #delete(name: string): boolean {
    const wasExpired = this.#isExpired(name);
    return this.#remove(name) && !wasExpired;
  }

  #removeExpired(name: string): void {
    this.#remove(name);
    this.#expired++;
  }

  #remove(name: string): boolean {
    const before = this.#items.get(name);
    if (before === undefined) return false;
    this.#stateBytes -= name.length + before.value.length;
    this.#keyBytes -= name.length;
    this.#expiry.clear(name);
    return this.#items.delete(name);
  }
}

function hasIncrement(mutations: readonly Mutation[]): boolean {
  for (let position = 0; position < mutations.length; position++) {
    if (mutations[position]!.kind === "increment") return true;
  }
  return false;
}

function holds(precondition: Precondition, currentVersion: number): boolean {
  switch (precondition.kind) {
    case "absent":
      return currentVersion === 0;
    case "exists":
      return currentVersion > 0;
    case "version":
      return currentVersion === precondition.version;
    default:
      return unreachable(precondition);
  }
}
