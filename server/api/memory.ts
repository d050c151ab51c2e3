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

/** The same, with what the ports may take: bodies that are arriving, answers that nobody has read yet. */
export interface ServerMemoryLimits extends MemoryLimits {
  readonly bodies: number;
  readonly answers: number;
}
