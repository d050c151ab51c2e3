/**
 * The filter of a table: tells nearly all keys that the table does not have, without reading a block. See
 * `../FORMAT.md`, "Filter".
 *
 * Source: Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors (1970); all bits from one hash by
 * Kirsch and Mitzenmacher, Less Hashing, Same Performance (2006).
 *
 * @module
 */

/** Of each key; one key in a hundred that is not there passes. */
export const FILTER_BITS_PER_KEY = 10;
/** About ln 2 of the bits per key, at which fewest pass. */
const PROBES = 7;
const FILTER_BITS_MIN = 64;

/** An empty filter for so many keys. */
export function emptyFilter(keys: number): Uint8Array {
  const bitCount = Math.max(FILTER_BITS_MIN, Math.ceil((keys * FILTER_BITS_PER_KEY) / 8) * 8);
  return new Uint8Array(bitCount / 8);
}

/**
 * Adds keys to a filter.
 *
 * @param hashes of `hashKey`
 */
export function addToFilter(bits: Uint8Array, hashes: Int32Array): void {
  const bitCount = bits.length * 8;
  for (let position = 0; position < hashes.length; position++) {
    let hash = hashes[position]!;
    const step = stepOf(hash);
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (hash >>> 0) % bitCount;
      bits[bit >>> 3]! |= 1 << (bit & 7);
      hash = (hash + step) | 0;
    }
  }
}

/** False if the key with this hash is certainly not among those that the filter was made of. */
export function mayContain(bits: Uint8Array, hash: number): boolean {
  const bitCount = bits.length * 8;
  const step = stepOf(hash);
  let at = hash;
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = (at >>> 0) % bitCount;
    if ((bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
    at = (at + step) | 0;
  }
  return true;
}

/** Odd, so that it is never 0. */
function stepOf(hash: number): number {
  return ((hash << 15) | (hash >>> 17)) | 1;
}
