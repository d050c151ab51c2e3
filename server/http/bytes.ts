/**
 * Where the bytes of answers come from, and who keeps them. Making a small typed array costs several times
 * what cutting one from a larger one does (`deno task bench:codec`), and an answer is made of several.
 *
 * A piece that was cut keeps its whole block alive. So only what is written at once is cut; what must wait
 * for its reader is made to own its bytes, or it would hold a hundred times what it is counted for.
 *
 * @module
 */

const BLOCK_BYTES = 16_384;
const CUT_BYTES_MAX = 1_024;

let block = new Uint8Array(BLOCK_BYTES);
let blockAt = 0;

/** `length` zero bytes that nobody else has, to be written at once. */
export function cutBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length > CUT_BYTES_MAX) return new Uint8Array(length);
  if (blockAt + length > BLOCK_BYTES) {
    block = new Uint8Array(BLOCK_BYTES);
    blockAt = 0;
  }
  blockAt += length;
  return block.subarray(blockAt - length, blockAt);
}

/** `bytes`, or a copy if they would keep more than twice themselves alive. */
export function ownedBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.length ? bytes.slice() : bytes;
}

/** One array of `length` bytes with everything of `pieces`. */
export function joinChunks(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
