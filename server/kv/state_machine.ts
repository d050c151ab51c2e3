/**
 * The keys and values of one partition: what its committed entries, applied in order, amount to.
 * Deterministic: the same entries make the same state on every replica.
 *
 * Keys and values are rows of a store that is larger than memory (`state_store.ts`). A put writes and reads
 * nothing; what has to know what was there before, looks it up.
 *
 * Keys expire by replicated time alone. It stands still while a command is applied, so that a key is there or
 * is not for all of a command, and for preconditions and mutations alike. One whose time is reached is not
 * there for anybody, though it takes its place until a command removes it.
 *
 * @module
 */

import { unreachable } from "../../raft/mod.ts";
import { byteString } from "./byte_string.ts";
import { type Command, decodeCommand } from "./command.ts";
import { type ExpiredLimits, Expiry } from "./expiry.ts";
import { planIncrements } from "./increment.ts";
import type { FailedPrecondition, NewNumber, Outcome } from "./outcome.ts";
import { ROWS_AT_ONCE, Sessions } from "./session.ts";
import { expiryChange, expiryOf, timeChange, timeIn } from "./state_rows.ts";
import {
  EXPIRY_ROWS,
  rowKey,
  SESSION_ROWS,
  type StateChange,
  type StateStore,
  TIME_ROW,
  USER_ROWS,
} from "./state_store.ts";
import type { Mutation, Precondition } from "./types.ts";
import { numberBytes } from "./whole_number.ts";

/** What a key holds. */
export interface Item {
  readonly value: Uint8Array;
  /** Log index at which the key was last changed. */
  readonly version: number;
}

/** See the module comment. */
export class KvStateMachine {
  readonly #store: StateStore;
  #sessions = new Sessions();
  /** Invariant: each of its keys is one of the rows. */
  #expiry = new Expiry();
  /** The highest that leaders have stamped (`replicated_clock.ts`). Never goes back. */
  #timeMs = 0;
  #isTimeSaved = false;
  #appliedIndex = 0;
  #expired = 0;

  /** @param store empty, or to be read with {@linkcode KvStateMachine.restore} before anything else */
  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Index of the last entry applied. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Replicated time the state stands at, in milliseconds. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Keys, with those that have expired and are not removed yet; see {@linkcode StateStore.rowCount}. */
  get keyCount(): number {
    const others = this.#expiry.size + this.#sessions.savedCount + (this.#isTimeSaved ? 1 : 0);
    return Math.max(0, this.#store.rowCount - others);
  }

  /** Bytes of keys and values, and of the rows beside them; see {@linkcode StateStore.rowBytes}. */
  get stateBytes(): number {
    // Each key has one byte before it that is not its user's.
    return Math.max(0, this.#store.rowBytes - this.#store.rowCount);
  }

  /** Bytes of memory that rows, times and sessions take. */
  get memoryBytes(): number {
    return this.#store.memoryBytes + this.#expiry.memoryBytes + this.#sessions.memoryBytes;
  }

  /** The earliest replicated time at which a key expires or has expired; `undefined` if no key ever does. */
  get earliestExpiryMs(): number | undefined {
    return this.#expiry.earliestMs;
  }

  /** Keys that commands have removed since the start because they had expired. */
  get expired(): number {
    return this.#expired;
  }

  /** What `key` holds, `undefined` for no such key. The value is for use, not for keeping. */
  get(key: Uint8Array): Item | undefined {
    return this.#isExpired(key) ? undefined : this.#store.get(rowKey(USER_ROWS, key));
  }

  /** Replicated time at which `key` expires; `undefined` if it never does, or is not there. */
  expiresAtMs(key: Uint8Array): number | undefined {
    const expiresAtMs = this.#timeOf(key);
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
   * Applies the command of the entry at `index`. Each entry is applied once, in the order of indexes. If the
   * store cannot be read, which throws its error, nothing of the command is applied, and it can be applied
   * again.
   *
   * @throws {RangeError} when the bytes are not a command, or the index is not above the last one
   */
  apply(index: number, bytes: Uint8Array): Outcome {
    const command = decodeCommand(bytes);
    this.#mustBeNext(index);
    this.#timeMs = Math.max(this.#timeMs, command.timeMs);
    const outcome = this.#runOnce(command, index);
    this.#appliedIndex = index;
    return outcome;
  }

  /**
   * Takes note of an entry that changes no key: the empty one of a new term, or a change of the group's
   * membership.
   */
  skip(index: number): void {
    this.#mustBeNext(index);
    this.#appliedIndex = index;
  }

  /**
   * Becomes what the store holds, whose rows are what the entries up to `index` amount to.
   *
   * @throws {RangeError} when a row is not what it should be
   */
  restore(index: number): void {
    const pieces = this.restoring(index);
    while (pieces.next().done !== true);
  }

  /**
   * Does the same in pieces of much less than a millisecond. Nothing changes before the last one; the store
   * must not be written meanwhile.
   *
   * @throws {RangeError} when a row is not what it should be
   */
  *restoring(index: number): Generator<void> {
    const sessions = yield* Sessions.restoring(this.#store.rows(SESSION_ROWS));
    const expiry = new Expiry();
    for (const row of this.#store.rows(EXPIRY_ROWS)) {
      const { key, expiresAtMs } = expiryOf(row);
      expiry.set(byteString(key), expiresAtMs);
      if (expiry.size % ROWS_AT_ONCE === 0) yield;
    }
    const time = this.#store.get(TIME_ROW);
    this.#sessions = sessions;
    this.#expiry = expiry;
    this.#isTimeSaved = time !== undefined;
    this.#timeMs = time === undefined ? 0 : timeIn(time.value);
    this.#appliedIndex = index;
  }

  /** Sessions of which the store has no row as they are. */
  get unsavedCount(): number {
    return this.#sessions.unsavedCount;
  }

  /**
   * Rows of sessions, at most `countMax`, and of the time: the store must be given them at the index that is
   * applied now. With all sessions it has the whole state.
   */
  takeUnsaved(countMax: number): readonly StateChange[] {
    this.#isTimeSaved = true;
    return [timeChange(this.#timeMs), ...this.#sessions.takeUnsaved(countMax)];
  }

  /** Every key with what it holds, in order; with those that have expired and are not removed yet. */
  *entries(): Generator<readonly [key: string, item: Item]> {
    for (const { key, value, version } of this.#store.rows(USER_ROWS)) {
      yield [byteString(key, USER_ROWS.length), { value, version }];
    }
  }

  /** Every key that has a time, reached or not, in no order; for state hashes. */
  expiryEntries(): Generator<readonly [key: string, expiresAtMs: number]> {
    return this.#expiry.entries();
  }

  /** All remembered outcomes, in an order that all replicas share; for state hashes. */
  sessionEntries(): Generator<readonly [clientId: string, sequence: number, outcome: Outcome]> {
    return this.#sessions.entries();
  }

  #mustBeNext(index: number): void {
    if (index > this.#appliedIndex) return;
    throw new RangeError(
      `Cannot apply entry ${index} again: all up to ${this.#appliedIndex} are applied already`,
    );
  }

  #runOnce({ requestId, mutations }: Command, version: number): Outcome {
    if (requestId === undefined) return this.#run(mutations, version);
    const known = this.#sessions.find(requestId);
    if (known !== undefined) return known;
    const outcome = this.#run(mutations, version);
    this.#sessions.remember(requestId, outcome, this.#timeMs);
    return outcome;
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
    const wasThere = this.#lookUpDeleted(mutations);
    let increments = 0;
    for (let position = 0; position < mutations.length; position++) {
      const mutation = mutations[position]!;
      const { key } = mutation;
      switch (mutation.kind) {
        case "put":
          this.#write(version, { key, value: mutation.value });
          this.#setTime(version, { key, ttlMs: mutation.ttlMs });
          break;
        case "delete":
          if (this.#delete(version, key, wasThere?.[position])) existed.push(position);
          break;
        case "increment": {
          // One that has expired began at 0, as a new key, whose time is not that of the old one.
          const { ttlMs } = mutation;
          const isTimeNew = ttlMs > 0 || this.#isExpired(key);
          this.#write(version, { key, value: numberBytes(numbers![increments++]!.number) });
          if (isTimeNew) this.#setTime(version, { key, ttlMs });
          break;
        }
        case "expire":
          if (this.#isExpired(key)) this.#removeExpired(version, key);
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

  /** Of most partitions no key has a time: then nothing is made of the key. */
  #timeOf(key: Uint8Array): number | undefined {
    return this.#expiry.size === 0 ? undefined : this.#expiry.timeOf(byteString(key));
  }

  #isExpired(key: Uint8Array): boolean {
    const expiresAtMs = this.#timeOf(key);
    return expiresAtMs !== undefined && expiresAtMs <= this.#timeMs;
  }

  #setTime(version: number, { key, ttlMs }: Pick<Extract<Mutation, { kind: "put" }>, "key" | "ttlMs">): void {
    if (ttlMs === 0) return this.#clearTime(version, key);
    const expiresAtMs = this.#timeMs + ttlMs;
    this.#expiry.set(byteString(key), expiresAtMs);
    this.#store.write([expiryChange(key, expiresAtMs)], version);
  }

  #clearTime(version: number, key: Uint8Array): void {
    if (this.#timeOf(key) === undefined) return;
    this.#expiry.clear(byteString(key));
    this.#store.write([expiryChange(key, undefined)], version);
  }

  #write(version: number, { key, value }: StateChange): void {
    this.#store.write([{ key: rowKey(USER_ROWS, key), value }], version);
  }

  /**
   * For each delete, whether its key has a row; `undefined` where a mutation before it decides that. Whatever
   * has to be read is read before anything is changed.
   */
  #lookUpDeleted(mutations: readonly Mutation[]): readonly (boolean | undefined)[] | undefined {
    if (!mutations.some(({ kind }) => kind === "delete")) return undefined;
    const changed = new Set<string>();
    return mutations.map(({ kind, key }) => {
      const name = byteString(key);
      if (changed.has(name)) return undefined;
      changed.add(name);
      return kind === "delete" ? this.#hasRow(key) : undefined;
    });
  }

  #hasRow(key: Uint8Array): boolean {
    return this.#store.get(rowKey(USER_ROWS, key)) !== undefined;
  }

  /** Returns whether the key was there. What was changed within the command is in memory still. */
  #delete(version: number, key: Uint8Array, hasRow = this.#hasRow(key)): boolean {
    // What does not exist needs no tombstone.
    if (!hasRow) return false;
    const wasExpired = this.#isExpired(key);
    this.#remove(version, key);
    return !wasExpired;
  }

  #removeExpired(version: number, key: Uint8Array): void {
    this.#remove(version, key);
    this.#expired++;
  }

  #remove(version: number, key: Uint8Array): void {
    this.#write(version, { key, value: undefined });
    this.#clearTime(version, key);
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
