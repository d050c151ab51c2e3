/**
 * How much memory a node takes when nobody says how much: half of the smaller of machine and container, but
 * not more than what fits into V8's heap, which most of it lies in; and how that is divided.
 *
 * @module
 */

import process from "node:process";
import { getHeapStatistics } from "node:v8";
import type { ServerMemoryLimits } from "../api/mod.ts";

const MEBIBYTE = 1024 * 1024;
/** V8 counts its young generation, of three semi-spaces of 32 MiB, into the limit of the heap. */
const YOUNG_BYTES = 96 * MEBIBYTE;
/** The rest of the heap holds the program, and room to collect rubbish in. */
const HEAP_SHARE = 3 / 4;
const MEMORY_SHARE = 1 / 2;
/** Less than this is no use. */
export const MEMORY_BYTES_MIN = 16 * MEBIBYTE;
/**
 * Not divided: V8's young generation, rubbish that it has not collected yet, buffers to and from the network.
 * Under a mix of writes at its bound a node took 150 MiB more than its parts counted.
 */
const WORKING_BYTES_MAX = 160 * MEBIBYTE;
const WORKING_SHARE_MAX = 1 / 2;
/** An overwritten key leaves an entry in the log and nothing in the state; calls come and go. */
const SHARES: ServerMemoryLimits = {
  log: 7 / 16,
  state: 5 / 16,
  calls: 2 / 16,
  bodies: 1 / 16,
  answers: 1 / 16,
};

/** What a node holds in memory unless it is told otherwise. */
export function defaultMemoryBytes(): number {
  const heapBytes = Math.max(0, getHeapStatistics().heap_size_limit - YOUNG_BYTES);
  const bytes = Math.min(HEAP_SHARE * heapBytes, MEMORY_SHARE * machineBytes());
  return Math.max(MEMORY_BYTES_MIN, Math.floor(bytes));
}

/** The parts of `bytes`; the log's own flag wins over its share. */
export function divideMemory(bytes: number, logBytes: number | undefined): ServerMemoryLimits {
  const divided = bytes - Math.min(WORKING_BYTES_MAX, bytes * WORKING_SHARE_MAX);
  return {
    log: logBytes ?? Math.floor(divided * SHARES.log),
    state: Math.floor(divided * SHARES.state),
    calls: Math.floor(divided * SHARES.calls),
    bodies: Math.floor(divided * SHARES.bodies),
    answers: Math.floor(divided * SHARES.answers),
  };
}

/** Of the machine or, if that is less, of the container; infinite when the process may not ask. */
function machineBytes(): number {
  try {
    const containerBytes = process.constrainedMemory();
    const { total } = Deno.systemMemoryInfo();
    return containerBytes > 0 ? Math.min(containerBytes, total) : total;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return Infinity;
    throw error;
  }
}
