/**
 * How the memory of a node is divided.
 *
 * @module
 */

/** Bytes that each part may take: entries of the log, state of the replicas, calls under way. */
export interface MemoryLimits {
  readonly log: number;
  readonly state: number;
  readonly calls: number;
}
