/**
 * The keys and values of one partition: what its committed entries, applied in order, amount to.
 * Deterministic: the same entries make the same state on every replica.
 *
 * Values are views of the entries' own bytes; nothing is copied. TODO(storage): the state lives in memory and
 * is rebuilt from the log when the node starts; the state store takes its place.
 *
 * @module
 */

import { unreachable } from "../../raft/mod.ts";
import { byteString } from "./byte_string.ts";
import { decodeCommand } from "./command.ts";
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
  /** The highest that leaders have stamped (`replicated_clock.ts`). Never goes back. */
  #timeMs = 0;
  #appliedIndex = 0;
  #stateBytes = 0;
  #keyBytes = 0;

  /** Index of the last entry applied. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Replicated time the state stands at, in milliseconds. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Keys that exist. */
  get keyCount(): number {
    return this.#items.size;
  }

  /** Bytes of keys and values. */
  get stateBytes(): number {
    return this.#stateBytes;
  }

  /** Bytes of memory that items and sessions take. */
  get memoryBytes(): number {
    return this.#items.size * ITEM_MEMORY_BYTES + this.#keyBytes + this.#sessions.memoryBytes;
  }

  /** What `key` holds, `undefined` for no such key. */
  get(key: Uint8Array): Item | undefined {
    return this.#items.get(byteString(key));
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

  /** Every key with what it holds, in no order. */
  entries(): IterableIterator<[key: string, item: Item]> {
    return this.#items.entries();
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
      switch (mutation.kind) {
        case "put":
          this.#put(mutation.key, { value: mutation.value, version });
          break;
        case "delete":
          if (this.#delete(mutation.key)) existed.push(position);
          break;
        case "increment":
          this.#put(mutation.key, { value: numberBytes(numbers![increments++]!.number), version });
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

  #put(key: Uint8Array, item: Item): void {
    const name = byteString(key);
    const before = this.#items.get(name);
    this.#stateBytes += item.value.length - (before === undefined ? -name.length : before.value.length);
    if (before === undefined) this.#keyBytes += name.length;
    this.#items.set(name, item);
  }

  #delete(key: Uint8Array): boolean {
    const name = byteString(key);
    const before = this.#items.get(name);
    if (before === undefined) return false;
    this.#stateBytes -= name.length + before.value.length;
    this.#keyBytes -= name.length;
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
