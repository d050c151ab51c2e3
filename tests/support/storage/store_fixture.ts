/**
 * A store for tests, with levels so small that a few hundred entries fill three of them, and the log that a
 * store relies on: what was written, to be written again after a start, and what reads should find.
 *
 * @module
 */

import {
  BlockCache,
  type LogPoint,
  Store,
  type StoreChange,
  type StoreOptions,
} from "../../../server/storage/mod.ts";
import { compareKeys } from "../../../server/storage/table/mod.ts";
import { assert } from "../../harness.ts";
import type { MemoryDisk } from "../disk/memory_file_system.ts";
import { SeededRandom } from "../seeded_random.ts";
import { drawKey } from "./entries.ts";

/** Directory of the stores of the tests. */
export const STORE_DIRECTORY = "data/store";

/** Opens a store, or makes one. */
export function openStore(disk: MemoryDisk, options: Partial<StoreOptions> = {}): Promise<Store> {
  const random = new SeededRandom(0x5a17);
  return Store.open({
    fileSystem: disk.mount(),
    directory: STORE_DIRECTORY,
    group: 3,
    cache: new BlockCache(0),
    pause: () => Promise.resolve(),
    randomWord: () => random.word(),
    level0Tables: 2,
    level1Bytes: 3_000,
    tableBytes: 1_000,
    blockBytes: 300,
    ...options,
  });
}

/** The point of a flush at this index. */
export function pointAt(index: number): LogPoint {
  return {
    index,
    term: 1 + Math.floor(index / 100),
    membership: Uint8Array.of(index % 256),
    membershipIndex: 1,
    logFloor: { segment: 0, offset: 0 },
  };
}

/** One entry of the log: changes at a version. */
interface Logged {
  readonly version: number;
  readonly changes: readonly StoreChange[];
}

/** What was written to a store, in order, and what it should say of it. */
export class StoreLedger {
  readonly #log: Logged[] = [];
  /** By key as hexadecimal digits, oldest first. */
  readonly #versions = new Map<
    string,
    { readonly version: number; readonly value: Uint8Array | undefined }[]
  >();

  get lastVersion(): number {
    return this.#log.at(-1)?.version ?? 0;
  }

  /** Writes to the store and takes note of it. */
  write(store: Store, changes: readonly StoreChange[]): void {
    const version = this.lastVersion + 1;
    store.write(changes, version);
    this.#log.push({ version, changes });
    for (const { key, value } of changes) {
      const name = key.toHex();
      const versions = this.#versions.get(name) ?? [];
      this.#versions.set(name, [...versions.filter((each) => each.version !== version), { version, value }]);
    }
  }

  /** Writes what is not in the store's tables once more, as a start does. */
  replay(store: Store): void {
    for (const { version, changes } of this.#log) {
      if (version > store.point.index) store.write(changes, version);
    }
  }

  /** Writes what a store has not got, as one that lags gets it from the log; up to a version. */
  catchUp(store: Store, through: number): void {
    for (const { version, changes } of this.#log) {
      if (version > store.lastVersion && version <= through) store.write(changes, version);
    }
  }

  /** What a key held at a version, in words. */
  get(key: Uint8Array, at: number): string {
    return this.#textAt(key.toHex(), at);
  }

  /** Keys and what they held at a version, in order, in words. */
  rows(at: number): string[] {
    return [...this.#versions.keys()]
      .sort((left, right) => compareKeys(Uint8Array.fromHex(left), Uint8Array.fromHex(right)))
      .map((name) => [name, this.#textAt(name, at)] as const)
      .filter(([, text]) => text !== NOTHING)
      .map(([name, text]) => `${name}=${text}`);
  }

  #textAt(name: string, at: number): string {
    const found = this.#versions.get(name)?.findLast(({ version }) => version <= at);
    return found?.value === undefined ? NOTHING : `${found.value.toHex()}@${found.version}`;
  }
}

const NOTHING = "nothing";

/** What a store says that a key holds, in the words of the ledger. */
export function heldBy(store: Store, key: Uint8Array, at?: number): string {
  const found = store.get(key, at);
  return found === undefined ? NOTHING : `${found.value.toHex()}@${found.version}`;
}

/** All rows of a store at a version, in the words of the ledger. */
export function rowsOf(store: Store, at: number, direction: "forward" | "backward" = "forward"): string[] {
  const rows = store.rows(at);
  const texts: string[] = [];
  try {
    if (direction === "forward") {
      for (rows.seek(); rows.isValid; rows.next()) texts.push(rowText(rows.entry));
    } else for (rows.seekBefore(); rows.isValid; rows.previous()) texts.push(rowText(rows.entry));
  } finally {
    rows.close();
  }
  return direction === "forward" ? texts : texts.reverse();
}

/** The row at which a cursor stands, in the words of the ledger. */
export function rowText(entry: ReturnType<Store["rows"]>["entry"]): string {
  const key = entry.key.slice(entry.keyStart, entry.keyEnd);
  const value = entry.value.slice(entry.valueStart, entry.valueEnd);
  return `${key.toHex()}=${value.toHex()}@${entry.version}`;
}

/** Fails unless a store says everything as the ledger does, at the last version. */
export function assertHolds(store: Store, ledger: StoreLedger): void {
  assert.equal(rowsOf(store, store.lastVersion), ledger.rows(store.lastVersion));
}

/** A few changes of keys that recur. */
export function drawChanges(random: SeededRandom): StoreChange[] {
  return Array.from({ length: 1 + random.below(5) }, () => ({
    key: drawKey(random),
    value: random.chance(25) ? undefined : random.bytes(random.chance(3) ? 700 : random.below(40)),
  }));
}
