/**
 * How one kind of item speaks to nodes: what is sent, where, and how answers are read. The dispatcher does
 * the rest and looks into neither. `writes.ts` and `reads.ts` have one for each method of the contract.
 *
 * @module
 */

import type { Target } from "../routing/mod.ts";
import type { ItemFailures, PartitionBatch } from "./partition_batch.ts";

/** See the module comment. */
export interface Exchange<Item> {
  readonly path: string;
  readonly readOnly: boolean;
  /** Failed batches are sent in a call of their own each, because one bad partition fails the whole call. */
  readonly splitOnRetry: boolean;
  /**
   * Calls are for the leader: one that succeeded through another node shows that the route is out of date.
   */
  readonly toLeader: boolean;
  target(batch: PartitionBatch<Item>): Target;
  /** The request for `batches`, their items one after the other. */
  encode(batches: readonly PartitionBatch<Item>[]): Uint8Array<ArrayBuffer>;
  /**
   * Resolves those `items` that succeeded.
   *
   * @returns the failures in the order of the items, or `undefined` when there is none
   * @throws {RangeError} when `response` cannot be understood
   */
  settle(items: readonly Item[], response: Uint8Array): ItemFailures | undefined;
}
