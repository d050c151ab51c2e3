/**
 * Entries for tests of the store: plain ones, a cursor over a list of them that is obviously right, and
 * random ones whose keys share much with each other.
 *
 * @module
 */

import { compareKeys, type EntryCursor } from "../../../server/storage/table/mod.ts";
import type { SeededRandom } from "../seeded_random.ts";

/** An entry as plain data; `undefined` is a tombstone's value. */
export interface PlainEntry {
  readonly key: Uint8Array;
  readonly version: number;
  readonly value: Uint8Array | undefined;
}

const NOTHING = new Uint8Array(0);

/** The order of entries: by key, then the highest version first. */
export function compareEntries(left: PlainEntry, right: PlainEntry): number {
  return compareKeys(left.key, right.key) || right.version - left.version;
}

/** An entry in words, for comparing lists of them. */
export function entryText({ key, version, value }: PlainEntry): string {
  return `${key.toHex()}@${version}=${value === undefined ? "-" : value.toHex()}`;
}

/** The entry at which a cursor stands. */
export function entryAt(cursor: EntryCursor): PlainEntry {
  const value = cursor.value.slice(cursor.valueStart, cursor.valueEnd);
  return {
    key: cursor.key.slice(cursor.keyStart, cursor.keyEnd),
    version: cursor.version,
    value: cursor.isTombstone ? undefined : value,
  };
}

/** Walks over a sorted list. */
export class ListCursor implements EntryCursor {
  readonly #entries: readonly PlainEntry[];
  #position = -1;

  /** @param entries in their order */
  constructor(entries: readonly PlainEntry[]) {
    this.#entries = entries;
  }

  get isValid(): boolean {
    return this.#position >= 0 && this.#position < this.#entries.length;
  }

  get key(): Uint8Array {
    return this.#entries[this.#position]!.key;
  }

  readonly keyStart = 0;

  get keyEnd(): number {
    return this.key.length;
  }

  get version(): number {
    return this.#entries[this.#position]!.version;
  }

  get isTombstone(): boolean {
    return this.#entries[this.#position]!.value === undefined;
  }

  get value(): Uint8Array {
    return this.#entries[this.#position]!.value ?? NOTHING;
  }

  readonly valueStart = 0;

  get valueEnd(): number {
    return this.value.length;
  }

  seek(key: Uint8Array = NOTHING): void {
    this.#position = this.#entries.findIndex((entry) => compareKeys(entry.key, key) >= 0);
  }

  seekBefore(key?: Uint8Array): void {
    const last = this.#entries.findLast((entry) => key === undefined || compareKeys(entry.key, key) < 0);
    this.#position = -1;
    if (last !== undefined) this.seek(last.key);
  }

  next(): void {
    this.#position++;
  }
}

/** How random entries are drawn. */
export interface EntryDraw {
  readonly random: SeededRandom;
  readonly keys: number;
  /** Most versions of one key. */
  readonly versionsMax: number;
  readonly valueBytesMax: number;
}

/** Random entries in their order, no two alike. */
export function drawEntries({ random, keys, versionsMax, valueBytesMax }: EntryDraw): PlainEntry[] {
  const entries = new Map<string, PlainEntry>();
  for (let count = 0; count < keys; count++) {
    const key = drawKey(random);
    for (let left = 1 + random.below(versionsMax); left > 0; left--) {
      const version = 1 + random.below(1_000);
      const value = random.chance(20) ? undefined : random.bytes(random.below(valueBytesMax + 1));
      entries.set(`${key.toHex()}@${version}`, { key, version, value });
    }
  }
  return [...entries.values()].sort(compareEntries);
}

/** A key of a small alphabet, so that keys share beginnings and recur. */
export function drawKey(random: SeededRandom): Uint8Array {
  const length = 1 + random.below(random.chance(5) ? 200 : 8);
  const rest = Uint8Array.from({ length }, () => random.pick([0, 1, 0x61, 0x62, 0xff]));
  return Uint8Array.of(1, ...rest);
}
