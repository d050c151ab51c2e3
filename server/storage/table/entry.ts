/**
 * What a store is made of: entries, their keys and their order (`../FORMAT.md`, "Entries and their order"),
 * and cursors, which walk over entries wherever they lie.
 *
 * Keys are handed around as a buffer and where in it they lie: making a view of a hundred bytes costs more
 * than comparing them.
 *
 * @module
 */

/** First byte of what the state machine keeps for itself. */
export const SYSTEM_PREFIX = 0x00;
/** First byte of users' keys. */
export const USER_PREFIX = 0x01;

/** Longest key of a store in bytes, prefix included: a user's longest, and room for what is kept about it. */
export const STORE_KEY_BYTES_MAX = 4_224;
/** Largest value of a store in bytes; users' are smaller (`proto/limits.ts`). */
export const STORE_VALUE_BYTES_MAX = 2 ** 24 - 1;
/** Highest version. */
export const VERSION_MAX = Number.MAX_SAFE_INTEGER;

/**
 * A place in a sequence of entries in their order. The fields tell of the entry it stands at while `isValid`,
 * and only until it moves: the buffers are used again.
 */
export interface EntryCursor {
  /** False before the first move, and when there is no entry in the direction it moved. */
  readonly isValid: boolean;
  /** The key is `key[keyStart … keyEnd)`. */
  readonly key: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly version: number;
  readonly isTombstone: boolean;
  /** The value is `value[valueStart … valueEnd)`. */
  readonly value: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** To the newest entry of the first key that is not below `key`; of the first key of all without one. */
  seek(key?: Uint8Array): void;
  /** To the newest entry of the last key that is below `key`; of the last key of all without one. */
  seekBefore(key?: Uint8Array): void;
  /** To the next entry in order: an older one of the same key, or the newest of the next. */
  next(): void;
}

/** Below 0 if `left` comes before `right`, 0 if they are equal, above 0 if it comes after. */
export function compareKeys(left: Uint8Array, right: Uint8Array): number {
  const shorter = Math.min(left.length, right.length);
  for (let at = 0; at < shorter; at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** As {@linkcode compareKeys}, of the keys at which two cursors stand. */
export function compareCursorKeys(left: EntryCursor, right: EntryCursor): number {
  const leftKey = left.key;
  const rightKey = right.key;
  const leftEnd = left.keyEnd;
  const rightEnd = right.keyEnd;
  let at = left.keyStart;
  let other = right.keyStart;
  while (at < leftEnd && other < rightEnd) {
    const difference = leftKey[at++]! - rightKey[other++]!;
    if (difference !== 0) return difference;
  }
  return (leftEnd - at) - (rightEnd - other);
}

/** As {@linkcode compareKeys}, of the key at which `cursor` stands and another one. */
export function compareCursorKey(cursor: EntryCursor, other: Uint8Array): number {
  const { key, keyEnd } = cursor;
  const otherEnd = other.length;
  let at = cursor.keyStart;
  let otherAt = 0;
  while (at < keyEnd && otherAt < otherEnd) {
    const difference = key[at++]! - other[otherAt++]!;
    if (difference !== 0) return difference;
  }
  return (keyEnd - at) - (otherEnd - otherAt);
}

/** A key that is kept while cursors move on, without a new buffer for each. */
export class KeyBuffer {
  readonly #bytes = new Uint8Array(STORE_KEY_BYTES_MAX);
  #length = 0;

  /** The key; a view, until another is taken. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Keeps the key at which `cursor` stands. */
  take({ key, keyStart, keyEnd }: EntryCursor): void {
    const bytes = this.#bytes;
    let length = 0;
    for (let at = keyStart; at < keyEnd; at++) bytes[length++] = key[at]!;
    this.#length = length;
  }

  /** Whether `cursor` stands at this key. */
  isAt({ key, keyStart, keyEnd }: EntryCursor): boolean {
    const length = this.#length;
    if (keyEnd - keyStart !== length) return false;
    const bytes = this.#bytes;
    // From the end: neighbours most often begin alike.
    for (let at = length - 1; at >= 0; at--) {
      if (bytes[at] !== key[keyStart + at]) return false;
    }
    return true;
  }
}

/** The hash of a key under a seed, 32 bits, signed; see `../FORMAT.md`, "Filter". */
export function hashKey(key: Uint8Array, seed: number): number {
  return hashRange(key, { start: 0, end: key.length, seed });
}

/** As {@linkcode hashKey}, of the key at which `cursor` stands. */
export function hashCursorKey(cursor: EntryCursor, seed: number): number {
  return hashRange(cursor.key, { start: cursor.keyStart, end: cursor.keyEnd, seed });
}

/** Which part of a buffer is hashed, and from what it starts. */
interface HashRange {
  readonly start: number;
  readonly end: number;
  readonly seed: number;
}

function hashRange(bytes: Uint8Array, { start, end, seed }: HashRange): number {
  let hash = seed ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = mixed(
      hash,
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24),
    );
  }
  if (at < end) {
    let word = 0;
    for (let shift = 0; at < end; at++, shift += 8) word |= bytes[at]! << shift;
    hash = mixed(hash, word);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function mixed(hash: number, word: number): number {
  let turned = Math.imul(word, 0xcc9e2d51);
  turned = Math.imul((turned << 15) | (turned >>> 17), 0x1b873593);
  const together = hash ^ turned;
  return (Math.imul((together << 13) | (together >>> 19), 5) + 0xe6546b64) | 0;
}
