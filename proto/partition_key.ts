/**
 * From a key to the partition that owns it: xxHash32 (seed 0) of the key, or of its hash tag, looked up in
 * equal contiguous ranges of the 32-bit hash space. Node and client compute the same answer alone; the
 * vectors in `tests/partition_vectors.json` pin it for implementations in other languages.
 *
 * Source: the xxHash fast digest algorithm, format description 0.1.1, section XXH32.
 *
 * @module
 */

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Size of the hash space; ranges are cut from `0 … HASH_SPACE`. */
export const HASH_SPACE: number = 2 ** 32;

/**
 * The partition that owns `key`, from 0 to `partitionCount - 1`.
 *
 * @param partitionCount 1 to 4,096
 */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return partitionOfHash(hashOfKey(key), partitionCount);
}

/** The partition whose range contains `hash` (0 to 2^32−1). */
export function partitionOfHash(hash: number, partitionCount: number): number {
  // Exact: hash < 2^32 and partitionCount ≤ 2^12, so the product is a safe integer.
  return Math.floor((hash * partitionCount) / HASH_SPACE);
}

/** First hash of partition `partition`; the range ends before that of the next, the last one at 2^32. */
export function hashRangeStart(partition: number, partitionCount: number): number {
  return Math.ceil((partition * HASH_SPACE) / partitionCount);
}

/** xxHash32 of the hash tag of `key` if it has one, else of the whole key. */
export function hashOfKey(key: Uint8Array): number {
  const open = key.indexOf(OPENING_BRACE);
  if (open < 0) return xxHash32(key, 0, key.length);
  const close = key.indexOf(CLOSING_BRACE, open + 1);
  if (close <= open + 1) return xxHash32(key, 0, key.length);
  return xxHash32(key, open + 1, close);
}

/** xxHash32 with seed 0 of `bytes[start … end)`, an unsigned 32-bit number. */
export function xxHash32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const length = end - start;
  let position = start;
  let hash: number;
  if (length >= 16) {
    let lane1 = (PRIME_1 + PRIME_2) | 0;
    let lane2 = PRIME_2 | 0;
    let lane3 = 0;
    let lane4 = -PRIME_1 | 0;
    for (const last = end - 16; position <= last; position += 16) {
      lane1 = round(lane1, readWord(bytes, position));
      lane2 = round(lane2, readWord(bytes, position + 4));
      lane3 = round(lane3, readWord(bytes, position + 8));
      lane4 = round(lane4, readWord(bytes, position + 12));
    }
    hash = (rotate(lane1, 1) + rotate(lane2, 7) + rotate(lane3, 12) + rotate(lane4, 18)) | 0;
  } else {
    hash = PRIME_5 | 0;
  }
  hash = (hash + length) | 0;
  for (; position + 4 <= end; position += 4) {
    hash = (hash + Math.imul(readWord(bytes, position), PRIME_3)) | 0;
    hash = Math.imul(rotate(hash, 17), PRIME_4);
  }
  for (; position < end; position++) {
    hash = (hash + Math.imul(bytes[position]!, PRIME_5)) | 0;
    hash = Math.imul(rotate(hash, 11), PRIME_1);
  }
  return avalanche(hash);
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1);
}

function avalanche(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
