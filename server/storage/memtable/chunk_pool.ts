/**
 * Large buffers that memtables use one after the other. A memtable is full of them and lives for seconds:
 * left to the collector, which sees a few dozen small objects, several memtables' worth would lie about.
 *
 * @module
 */

/** Size of the buffers that are used again. */
export const CHUNK_BYTES_MAX = 1024 * 1024;
/** Buffers that are kept for later: two memtables of a usual size. */
const IDLE_MAX = 32;

const idle: Uint8Array[] = [];

/** A buffer of so many bytes, which hold anything. */
export function takeChunk(length: number): Uint8Array {
  return (length === CHUNK_BYTES_MAX ? idle.pop() : undefined) ?? new Uint8Array(length);
}

/** Gives back a buffer that nobody looks at any more. */
export function giveChunk(chunk: Uint8Array): void {
  if (chunk.length === CHUNK_BYTES_MAX && idle.length < IDLE_MAX) idle.push(chunk);
}
