/**
 * Makes blocks: entries in order, keys without what they share with the key before. See `../FORMAT.md`,
 * "Block".
 *
 * @module
 */

import { putU64 } from "./checksum.ts";
import { type EntryCursor, STORE_KEY_BYTES_MAX } from "./entry.ts";

/** Every so many entries the whole key is written, so that a search can begin there. */
export const RESTART_ENTRIES = 16;
/** Base, number of restarts, checksum. */
export const BLOCK_TRAILER_BYTES = 16;
/** Four numbers: shared, rest, age, tag. */
const ENTRY_HEADER_BYTES_MAX = 2 + 2 + 8 + 4;
const RESTART_BYTES = 4;
const INITIAL_BYTES = 20 * 1024;
/** Numbers below are written without division. */
const INTEGER_MAX = 2 ** 31;

/** See the module comment. One builder makes all blocks of a table, one after the other. */
export class BlockBuilder {
  readonly #baseVersion: number;
  readonly #restarts: number[] = [];
  readonly #lastKey = new Uint8Array(STORE_KEY_BYTES_MAX);
  #bytes = new Uint8Array(INITIAL_BYTES);
  #at = 0;
  #entries = 0;
  #lastKeyLength = 0;
  #isSameKey = false;

  /** @param baseVersion above no version that will be added */
  constructor(baseVersion: number) {
    this.#baseVersion = baseVersion;
  }

  /** Entries in the block. */
  get entries(): number {
    return this.#entries;
  }

  /** The key added last, also after its block was finished; a view, until the next entry is added. */
  get lastKey(): Uint8Array {
    return this.#lastKey.subarray(0, this.#lastKeyLength);
  }

  /** Whether the entry added last has the key of the one before it. */
  get isSameKey(): boolean {
    return this.#isSameKey;
  }

  /** Bytes that the block would have with one more entry, at most. */
  bytesWith(entry: EntryCursor): number {
    const entryBytes = entry.keyEnd - entry.keyStart + entry.valueEnd - entry.valueStart;
    const restartBytes = (this.#restarts.length + 1) * RESTART_BYTES;
    return this.#at + ENTRY_HEADER_BYTES_MAX + entryBytes + restartBytes + BLOCK_TRAILER_BYTES;
  }

  /** Adds the entry at which `entry` stands; it comes after all others. */
  add(entry: EntryCursor): void {
    this.#reserve(this.bytesWith(entry));
    const shared = this.#shareKey(entry);
    const isRestart = this.#entries % RESTART_ENTRIES === 0;
    if (isRestart) this.#restarts.push(this.#at);
    const left = isRestart ? 0 : shared;
    const valueLength = entry.valueEnd - entry.valueStart;
    this.#varint(left);
    this.#varint(this.#lastKeyLength - left);
    this.#varint(entry.version - this.#baseVersion);
    this.#varint(valueLength * 2 + (entry.isTombstone ? 1 : 0));
    this.#copy(this.#lastKey, { start: left, end: this.#lastKeyLength });
    this.#copy(entry.value, { start: entry.valueStart, end: entry.valueEnd });
    this.#entries++;
  }

  /** The block without its checksum, for which there is room behind it; the next one begins empty. */
  finish(): Uint8Array {
    const restartCount = this.#restarts.length;
    const trailerAt = this.#at + restartCount * RESTART_BYTES;
    this.#reserve(trailerAt + BLOCK_TRAILER_BYTES);
    const view = new DataView(this.#bytes.buffer);
    this.#restarts.forEach((offset, position) =>
      view.setUint32(this.#at + position * RESTART_BYTES, offset, true)
    );
    putU64(view, trailerAt, this.#baseVersion);
    view.setUint32(trailerAt + 8, restartCount, true);
    this.#at = 0;
    this.#entries = 0;
    this.#restarts.length = 0;
    return this.#bytes.subarray(0, trailerAt + 12);
  }

  /** Makes the entry's key the last one; returns how much it shares with the one before. */
  #shareKey({ key, keyStart, keyEnd }: EntryCursor): number {
    const last = this.#lastKey;
    const length = keyEnd - keyStart;
    const shorter = Math.min(length, this.#lastKeyLength);
    let shared = 0;
    while (shared < shorter && last[shared] === key[keyStart + shared]) shared++;
    for (let at = shared; at < length; at++) last[at] = key[keyStart + at]!;
    this.#isSameKey = shared === length && length === this.#lastKeyLength;
    this.#lastKeyLength = length;
    return shared;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    let at = this.#at;
    for (; rest >= INTEGER_MAX; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
    bytes[at++] = rest;
    this.#at = at;
  }

  /** Short ranges byte by byte: a view of them costs more than copying them. */
  #copy(from: Uint8Array, { start, end }: { readonly start: number; readonly end: number }): void {
    const bytes = this.#bytes;
    const length = end - start;
    if (length > LOOP_BYTES_MAX) bytes.set(from.subarray(start, end), this.#at);
    else for (let at = start, to = this.#at; at < end; at++, to++) bytes[to] = from[at]!;
    this.#at += length;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

const LOOP_BYTES_MAX = 128;
