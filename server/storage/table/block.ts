/**
 * A block in memory: its bytes, checked, and how a key is found in it. See `../FORMAT.md`, "Block".
 *
 * The checksum was right when the bytes were read. What they say is checked all the same where it leads to
 * other bytes, so that a wrong program that wrote them does harm to nobody but itself.
 *
 * A search goes to the last restart whose key is below the wanted one and from there entry by entry. It makes
 * no key on the way: `matched` says how many bytes the last key had in common with the wanted one, and the
 * next one's `shared` tells most often which of them is the higher.
 *
 * @module
 */

import { BLOCK_TRAILER_BYTES } from "./block_builder.ts";
import { getU64 } from "./checksum.ts";
import { STORE_KEY_BYTES_MAX } from "./entry.ts";
import { damaged, type StorageErrorPlace } from "./error.ts";

const INTEGER_BYTES_MAX = 4;

/** How a search for a key at a version ended. */
export const Search = {
  /** The fields tell of the entry. */
  found: 0,
  /** The block ends before any key above the wanted one. */
  ended: 1,
  /** There is a higher key: the wanted one is nowhere. */
  passed: 2,
} as const;

/** One of the values of {@linkcode Search}. */
export type Search = (typeof Search)[keyof typeof Search];

/** See the module comment. Its buffer is used again for other blocks. */
export class Block {
  /** Where it is from. */
  path = "";
  offset = 0;
  bytes: Uint8Array;
  /** Of the block, with trailer and checksum; the buffer may be longer. */
  length = 0;
  /** Where the entries end. */
  entriesEnd = 0;
  restartCount = 0;

  /** Of the entry that was read last: how long its key is, and where what is written of it lies. */
  shared = 0;
  keyStart = 0;
  keyEnd = 0;
  version = 0;
  isTombstone = false;
  valueStart = 0;
  valueEnd = 0;

  /** Where {@linkcode Block.#varint} reads. */
  #at = 0;
  #baseVersion = 0;
  #matched = 0;

  constructor(capacity = 0) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes the buffer hold `length` bytes at least; what was in it is lost. */
  reserve(length: number): void {
    if (this.bytes.length < length) this.bytes = new Uint8Array(length);
  }

  /**
   * Takes up the block that was read into the buffer.
   *
   * @throws {StorageError} `STORAGE_DAMAGED` when its end does not describe it
   */
  open(length: number, place: StorageErrorPlace): void {
    this.path = place.path;
    this.offset = place.offset;
    this.length = length;
    if (length < BLOCK_TRAILER_BYTES + 4) this.#malformed();
    const trailer = new DataView(this.bytes.buffer, this.bytes.byteOffset + length - BLOCK_TRAILER_BYTES);
    this.#baseVersion = getU64(trailer, 0);
    this.restartCount = trailer.getUint32(8, true);
    this.entriesEnd = length - BLOCK_TRAILER_BYTES - 4 * this.restartCount;
    if (this.restartCount === 0 || this.entriesEnd <= 0) this.#malformed();
  }

  /** Copies another block into this one. */
  copyFrom(other: Block): void {
    this.reserve(other.length);
    this.bytes.set(other.length === other.bytes.length ? other.bytes : other.bytes.subarray(0, other.length));
    this.open(other.length, other);
  }

  /**
   * Looks for the newest entry of `key` that is not above `version`; the fields tell of it when it is found.
   *
   * @throws {StorageError} `STORAGE_DAMAGED`
   */
  find(key: Uint8Array, version: number): Search {
    this.#matched = 0;
    let at = this.restartBefore(key);
    while (at < this.entriesEnd) {
      at = this.readEntry(at);
      const order = this.#compareNext(key);
      if (order > 0) return Search.passed;
      if (order === 0 && this.version <= version) return Search.found;
    }
    return Search.ended;
  }

  /**
   * Goes to the first entry whose key is not below `key`.
   *
   * @returns where the next entry is; 0 if there is no such entry
   */
  findFirst(key: Uint8Array): number {
    this.#matched = 0;
    let at = this.restartBefore(key);
    while (at < this.entriesEnd) {
      at = this.readEntry(at);
      if (this.#compareNext(key) >= 0) return at;
    }
    return 0;
  }

  /** Where the last entry is whose key is below `key`; -1 if there is none. */
  lastBelow(key: Uint8Array): number {
    this.#matched = 0;
    let last = -1;
    let at = this.restartBefore(key);
    while (at < this.entriesEnd) {
      const next = this.readEntry(at);
      if (this.#compareNext(key) >= 0) return last;
      last = at;
      at = next;
    }
    return last;
  }

  /** Where restart `position` is. */
  restart(position: number): number {
    const at = this.entriesEnd + 4 * position;
    const { bytes } = this;
    return bytes[at]! + (bytes[at + 1]! << 8) + (bytes[at + 2]! << 16) + bytes[at + 3]! * 2 ** 24;
  }

  /** Where the last restart is whose key is below `key`; the first one if there is none. */
  restartBefore(key: Uint8Array): number {
    let low = 0;
    let high = this.restartCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#isRestartBelow(middle, key)) low = middle;
      else high = middle - 1;
    }
    return this.restart(low);
  }

  /** Whether the key of a restart is below `key`. Reads nothing but the key, which is a whole one. */
  #isRestartBelow(position: number, key: Uint8Array): boolean {
    const { bytes } = this;
    let at = this.restart(position) + 1;
    let length = bytes[at++]!;
    if (length >= 0x80) length = (length & 0x7f) | (bytes[at++]! << 7);
    while (bytes[at++]! >= 0x80);
    while (bytes[at++]! >= 0x80);
    const shorter = Math.min(length, key.length);
    let same = 0;
    while (same < shorter && bytes[at + same] === key[same]) same++;
    return same === shorter ? length < key.length : bytes[at + same]! < key[same]!;
  }

  /**
   * Reads the entry at `at` into the fields; returns where the next one is.
   *
   * @throws {StorageError} `STORAGE_DAMAGED` when it does not fit into the block
   */
  readEntry(at: number): number {
    const { bytes } = this;
    const shared = bytes[at]!;
    const rest = bytes[at + 1]!;
    if (shared < 0x80 && rest < 0x80) {
      this.shared = shared;
      this.#at = at + 2;
    } else {
      this.#at = at;
      this.shared = this.#varint();
    }
    const keyLength = shared < 0x80 && rest < 0x80 ? rest : this.#varint();
    this.version = this.#baseVersion + this.#varint();
    const tag = this.#varint();
    this.isTombstone = (tag & 1) === 1;
    this.keyStart = this.#at;
    this.keyEnd = this.keyStart + keyLength;
    this.valueStart = this.keyEnd;
    this.valueEnd = this.valueStart + (tag >>> 1);
    // Not within the block, or what was read was behind its end: then it is not a number.
    if (!(this.valueEnd <= this.entriesEnd)) this.#malformed();
    if (this.shared + keyLength > STORE_KEY_BYTES_MAX) this.#malformed();
    return this.valueEnd;
  }

  /** Compares the key of the entry that follows the one compared last with `key`; see the module comment. */
  #compareNext(key: Uint8Array): number {
    // A restart shares more than it says.
    if (this.shared === 0) this.#matched = 0;
    else if (this.shared > this.#matched) return -1;
    else if (this.shared < this.#matched) {
      this.#matched = this.shared;
      return 1;
    }
    return this.#compareFrom(key, this.#matched);
  }

  /** Compares when the first `from` bytes are known to be equal. */
  #compareFrom(key: Uint8Array, from: number): number {
    const { bytes, keyEnd } = this;
    const keyLength = key.length;
    let at = this.keyStart;
    let matched = from;
    while (at < keyEnd && matched < keyLength && bytes[at] === key[matched]) {
      at++;
      matched++;
    }
    this.#matched = matched;
    if (at === keyEnd) return matched === keyLength ? 0 : -1;
    return matched === keyLength ? 1 : bytes[at]! - key[matched]!;
  }

  #varint(): number {
    const byte = this.bytes[this.#at++]!;
    return byte < 0x80 ? byte : this.#longVarint(byte & 0x7f);
  }

  #longVarint(first: number): number {
    let value = first;
    for (let count = 1; count < INTEGER_BYTES_MAX; count++) {
      const byte = this.bytes[this.#at++]!;
      value |= (byte & 0x7f) << (7 * count);
      if (byte < 0x80) return value;
    }
    return this.#largeVarint(value);
  }

  #largeVarint(low: number): number {
    let value = low;
    let scale = 2 ** (7 * INTEGER_BYTES_MAX);
    for (; scale < 2 ** 56; scale *= 0x80) {
      const byte = this.bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return this.#malformed();
  }

  #malformed(): never {
    throw damaged(
      this,
      "a block's checksum is right, but what it says is not: the program that wrote it is wrong",
    );
  }
}
