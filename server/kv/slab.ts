/**
 * Where commands and what travels with them get their bytes from. Making a small buffer costs more than
 * filling it, so small ones are cut from a larger one, which lives as long as any of them.
 *
 * What is kept and what is not are cut from different ones: a value that stays in the state would keep the
 * dead answers around it, too, sixty-four kibibytes for a hundred bytes.
 *
 * @module
 */

const SLAB_BYTES = 64 * 1024;
const CUT_BYTES_MAX = 1024;

class Slab {
  #bytes = new Uint8Array(SLAB_BYTES);
  #at = 0;

  cut(length: number): Uint8Array<ArrayBuffer> {
    if (length > CUT_BYTES_MAX) return new Uint8Array(length);
    if (this.#at + length > SLAB_BYTES) {
      this.#bytes = new Uint8Array(SLAB_BYTES);
      this.#at = 0;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const kept = new Slab();
const passing = new Slab();

/** `length` zero bytes that nobody else has, for what the log and the state keep: commands. */
export function keptBytes(length: number): Uint8Array<ArrayBuffer> {
  return kept.cut(length);
}

/** The same, for what is gone within moments: answers, outcomes on their way, heads of records. */
export function passingBytes(length: number): Uint8Array<ArrayBuffer> {
  return passing.cut(length);
}
