/**
 * Where commands, outcomes and the heads of log records get their bytes from. Making a small buffer costs
 * more than filling it, so small ones are cut from a larger one, which lives as long as any of them.
 *
 * @module
 */

const SLAB_BYTES = 64 * 1024;
const CUT_BYTES_MAX = 1024;

let slab = new Uint8Array(SLAB_BYTES);
let slabAt = 0;

/** `length` zero bytes that nobody else has. */
export function allocateBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length > CUT_BYTES_MAX) return new Uint8Array(length);
  if (slabAt + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabAt = 0;
  }
  slabAt += length;
  return slab.subarray(slabAt - length, slabAt);
}
