/**
 * What has been written since the last flush, in memory: every version of every key, found by hash at once
 * and in order when that is asked for.
 *
 * ```
 * key ─hash─▶ slots ─▶ key record ─newest─▶ version record ─older─▶ version record …
 *                          │                     │
 *                          └────── chunks ───────┘        bytes of keys and values, copied
 * ```
 *
 * All of it lies in a few large buffers, so that a million entries are no work for the garbage collector and
 * their cost is known to the byte. Order is made as late as possible (`memtable_order.ts`): most memtables
 * are never walked over before they are flushed, and a write that keeps a tree in order costs several times
 * as much. The figures are in `docs/decisions/0027-…`.
 *
 * Nothing is ever taken out. Bytes of keys and values stay where they are until nobody holds the memtable:
 * then its buffers go to the next one.
 *
 * @module
 */

import { hashKey } from "../table/mod.ts";
import { CHUNK_BYTES_MAX, giveChunk, takeChunk } from "./chunk_pool.ts";
import { MemtableOrder } from "./memtable_order.ts";
import {
  KEY_STRIDE,
  KeyField,
  type MemtableRecords,
  VERSION_STRIDE,
  VersionField,
} from "./memtable_records.ts";

const NONE = -1;
const WORD = 2 ** 32;
const RECORDS_MIN = 16;
const CHUNK_BYTES_MIN = 4 * 1024;
/** Copied byte by byte up to here: a view and a call cost more. */
const LOOP_BYTES_MAX = 64;

/** What is looked for; a table's `Probe` will do. */
interface Wanted {
  readonly key: Uint8Array;
  readonly version: number;
  readonly hash: number;
}

/** Entries, as far as they say how many keys there are. */
export interface EntryTally {
  /** Those that are values, and the bytes of their keys and values. */
  readonly puts: number;
  readonly putBytes: number;
  /** Those that hide a value elsewhere. */
  readonly tombstones: number;
}

/** See the module comment. */
export class Memtable implements MemtableRecords {
  readonly #seed: number;
  readonly #order = new MemtableOrder(this);
  keys = new Int32Array(RECORDS_MIN * KEY_STRIDE);
  versions = new Int32Array(RECORDS_MIN * VERSION_STRIDE);
  readonly chunks: Uint8Array[] = [];
  #keyCount = 0;
  #versionCount = 0;
  /** Number of a key record plus 1, or 0, by hash; at least twice as many as keys. */
  #slots = new Int32Array(2 * RECORDS_MIN);
  /** Bytes in the last chunk that are taken. */
  #chunkUsed = 0;
  #chunkBytes = 0;
  #lowestVersion = Infinity;
  #highestVersion = 0;
  #puts = 0;
  #putBytes = 0;
  #tombstones = 0;
  #holders = 1;

  /**
   * An empty one, held by who makes it.
   *
   * @param seed of the hashes, which clients must not know
   */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Different keys. */
  get keyCount(): number {
    return this.#keyCount;
  }

  /** Versions written, those that were written over within their version included. */
  get versionCount(): number {
    return this.#versionCount;
  }

  /** `Infinity` while there is nothing. */
  get lowestVersion(): number {
    return this.#lowestVersion;
  }

  /** 0 while there is nothing. */
  get highestVersion(): number {
    return this.#highestVersion;
  }

  /**
   * Of each key the newest record counts, but no tombstone of one that was put here before it was ever
   * deleted: there is most likely nothing to hide.
   */
  get tally(): EntryTally {
    return { puts: this.#puts, putBytes: this.#putBytes, tombstones: this.#tombstones };
  }

  /** Bytes of memory that it takes. */
  get memoryBytes(): number {
    const records = this.keys.byteLength + this.versions.byteLength + this.#slots.byteLength;
    return this.#chunkBytes + records + this.#order.memoryBytes;
  }

  /** Whoever reads it in more than one go holds it. */
  hold(): void {
    this.#holders++;
  }

  /** When nobody holds it any more, it and its cursors must not be used. */
  release(): void {
    if (--this.#holders > 0) return;
    for (const chunk of this.chunks.splice(0)) giveChunk(chunk);
  }

  /**
   * Writes a value, or with `undefined` a tombstone. Takes the place of what the same version wrote.
   *
   * @param version not below that of any write before
   */
  write(key: Uint8Array, value: Uint8Array | undefined, version: number): void {
    const hash = hashKey(key, this.#seed);
    const slot = this.#slotOf(key, hash);
    const known = this.#slots[slot]! - 1;
    const keyNumber = known === NONE ? this.#addKey(key, { hash, slot, value }) : known;
    const newestAt = keyNumber * KEY_STRIDE + KeyField.newest;
    this.#count(keyNumber, this.keys[newestAt]!, -1);
    this.#addVersion(keyNumber, value, version);
    this.#count(keyNumber, this.keys[newestAt]!, 1);
  }

  /** The newest version record of a key that is not above a version; −1 if there is none. */
  find({ key, hash, version }: Wanted): number {
    const keyNumber = this.#slots[this.#slotOf(key, hash)]! - 1;
    if (keyNumber === NONE) return NONE;
    let record = this.keys[keyNumber * KEY_STRIDE + KeyField.newest]!;
    while (record !== NONE && this.versionOf(record) > version) {
      record = this.versions[record * VERSION_STRIDE + VersionField.older]!;
    }
    return record;
  }

  /** Version of a record. */
  versionOf(record: number): number {
    const at = record * VERSION_STRIDE;
    return this.versions[at + VersionField.high]! * WORD + (this.versions[at + VersionField.low]! >>> 0);
  }

  /** The value of a record, a view; `undefined` for a tombstone. */
  valueOf(record: number): Uint8Array | undefined {
    const at = record * VERSION_STRIDE;
    const length = this.versions[at + VersionField.length]!;
    if (length === NONE) return undefined;
    const start = this.versions[at + VersionField.start]!;
    return this.chunks[this.versions[at + VersionField.chunk]!]!.subarray(start, start + length);
  }

  /** The keys in order, as lists that are in order each, of key numbers; later keys are in none of them. */
  runs(): readonly Int32Array[] {
    return this.#order.runs();
  }

  /** The slot that holds the key, or the free one where it belongs. */
  #slotOf(key: Uint8Array, hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const keyNumber = this.#slots[slot]! - 1;
      if (keyNumber === NONE || this.#isKey(keyNumber, key, hash)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isKey(keyNumber: number, key: Uint8Array, hash: number): boolean {
    const at = keyNumber * KEY_STRIDE;
    const { keys } = this;
    if (keys[at + KeyField.hash] !== hash || keys[at + KeyField.length] !== key.length) return false;
    const chunk = this.chunks[keys[at + KeyField.chunk]!]!;
    const start = keys[at + KeyField.start]!;
    let same = 0;
    while (same < key.length && chunk[start + same] === key[same]) same++;
    return same === key.length;
  }

  /** Adds a key without versions, and room for a value behind it. */
  #addKey(
    key: Uint8Array,
    place: { readonly hash: number; readonly slot: number; readonly value: Uint8Array | undefined },
  ): number {
    const keyNumber = this.#keyCount++;
    if (keyNumber * KEY_STRIDE === this.keys.length) this.keys = doubled(this.keys);
    // The value that follows lies in the same chunk then, most likely in the same cache line.
    this.#reserve(key.length + (place.value?.length ?? 0));
    const at = keyNumber * KEY_STRIDE;
    this.keys[at + KeyField.hash] = place.hash;
    this.keys[at + KeyField.prefix] = prefixOf(key);
    this.keys[at + KeyField.chunk] = this.chunks.length - 1;
    this.keys[at + KeyField.start] = this.#copy(key);
    this.keys[at + KeyField.length] = key.length;
    this.keys[at + KeyField.newest] = NONE;
    this.keys[at + KeyField.beganDeleted] = place.value === undefined ? 1 : 0;
    this.#slots[place.slot] = keyNumber + 1;
    if (2 * this.#keyCount >= this.#slots.length) this.#rehash();
    this.#order.noteKey();
    return keyNumber;
  }

  #addVersion(keyNumber: number, value: Uint8Array | undefined, version: number): void {
    const newestAt = keyNumber * KEY_STRIDE + KeyField.newest;
    const newest = this.keys[newestAt]!;
    const isSameVersion = newest !== NONE && this.versionOf(newest) === version;
    const record = this.#versionCount++;
    if (record * VERSION_STRIDE === this.versions.length) this.versions = doubled(this.versions);
    const { versions } = this;
    const at = record * VERSION_STRIDE;
    if (value !== undefined) this.#reserve(value.length);
    versions[at + VersionField.chunk] = this.chunks.length - 1;
    versions[at + VersionField.start] = value === undefined ? 0 : this.#copy(value);
    versions[at + VersionField.length] = value === undefined ? NONE : value.length;
    versions[at + VersionField.older] = isSameVersion
      ? versions[newest * VERSION_STRIDE + VersionField.older]!
      : newest;
    versions[at + VersionField.low] = version % WORD;
    versions[at + VersionField.high] = Math.floor(version / WORD);
    this.keys[newestAt] = record;
    if (version < this.#lowestVersion) this.#lowestVersion = version;
    this.#highestVersion = version;
  }

  /**
   * Adds what a key counts to the tally, or with the sign −1 takes it off.
   *
   * @param record the key's newest, if it has one
   */
  #count(keyNumber: number, record: number, sign: number): void {
    if (record === NONE) return;
    const at = keyNumber * KEY_STRIDE;
    const valueLength = this.versions[record * VERSION_STRIDE + VersionField.length]!;
    if (valueLength === NONE) this.#tombstones += sign * this.keys[at + KeyField.beganDeleted]!;
    else {
      this.#puts += sign;
      this.#putBytes += sign * (this.keys[at + KeyField.length]! + valueLength);
    }
  }

  /** Makes the last chunk have room for so many bytes. */
  #reserve(length: number): void {
    const last = this.chunks.at(-1);
    if (last !== undefined && this.#chunkUsed + length <= last.length) return;
    const usual = Math.min(CHUNK_BYTES_MAX, Math.max(CHUNK_BYTES_MIN, this.#chunkBytes));
    const chunk = takeChunk(Math.max(length, usual));
    this.chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    this.#chunkUsed = 0;
  }

  /** Copies bytes into the last chunk; returns where they are. */
  #copy(bytes: Uint8Array): number {
    const chunk = this.chunks.at(-1)!;
    const start = this.#chunkUsed;
    const { length } = bytes;
    if (length > LOOP_BYTES_MAX) chunk.set(bytes, start);
    else for (let at = 0; at < length; at++) chunk[start + at] = bytes[at]!;
    this.#chunkUsed = start + length;
    return start;
  }

  #rehash(): void {
    const mask = 2 * this.#slots.length - 1;
    const slots = new Int32Array(mask + 1);
    for (let keyNumber = 0; keyNumber < this.#keyCount; keyNumber++) {
      let slot = this.keys[keyNumber * KEY_STRIDE + KeyField.hash]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = keyNumber + 1;
    }
    this.#slots = slots;
  }
}

/** The first four bytes of a key as a number that is ordered as they are; missing ones are 0. */
export function prefixOf(key: Uint8Array): number {
  const { length } = key;
  const first = length > 0 ? key[0]! << 24 : 0;
  const second = length > 1 ? key[1]! << 16 : 0;
  const third = length > 2 ? key[2]! << 8 : 0;
  return first | second | third | (length > 3 ? key[3]! : 0);
}

function doubled(records: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * records.length);
  larger.set(records);
  return larger;
}
