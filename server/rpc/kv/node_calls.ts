/**
 * How the methods ask the node: once each, with what is valid already.
 *
 * @module
 */

import { BATCH_MUTATIONS_MAX, RESPONSE_BYTES_MAX } from "../../../proto/mod.ts";
import {
  invalidArgument,
  type NodeApi,
  type NodeReadOptions,
  type NodeWriteOptions,
  type ReadResult,
  type WriteResult,
  type WrittenResult,
} from "../../api/mod.ts";
import type { Mutation } from "../../kv/mod.ts";
import type { MethodOptions } from "../method/mod.ts";

/** A mutation that was applied. */
export type Written = WrittenResult;

/**
 * What a key holds, as callers are told; `undefined` for no such key. Of one that expires, the time by this
 * machine's clock, in milliseconds since 1970 and never 0, which would be no time on the wire.
 */
export type Found = {
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs?: number;
} | undefined;

/** The new number of an increment that was applied. */
export function numberOf({ number }: Written): bigint {
  if (number === undefined) throw new Error("the node gave no number for an increment");
  return BigInt(number);
}

/**
 * Applies one mutation.
 *
 * @throws {DomainError} the reason why it was not applied
 */
export async function writeOne(
  node: NodeApi,
  mutation: Mutation,
  options: NodeWriteOptions,
): Promise<Written> {
  const [result] = await node.write([mutation], options);
  if (result === undefined) throw new Error("the node gave no result for one mutation");
  if (!result.ok) throw result.error;
  return result;
}

/** Applies any number of mutations; what failed stands in the results. */
export async function writeMany(
  node: NodeApi,
  mutations: readonly Mutation[],
  options: NodeWriteOptions,
): Promise<readonly WriteResult[]> {
  if (mutations.length === 0) return [];
  const results = await node.write(mutations, options);
  mustMatch(mutations, results);
  return results;
}

/**
 * Reads any number of keys.
 *
 * @throws {DomainError} when any of them cannot be read as asked, or they hold more than one answer may
 */
export async function readMany(
  node: NodeApi,
  keys: readonly Uint8Array[],
  options: NodeReadOptions & MethodOptions,
): Promise<readonly Found[]> {
  if (keys.length === 0) return [];
  const results = await node.read(keys, options);
  mustMatch(keys, results);
  let bytes = 0;
  let expires = false;
  for (const result of results) {
    if (result === undefined) continue;
    bytes += result.value.length;
    if (result.expiresInMs !== undefined) expires = true;
  }
  if (bytes > RESPONSE_BYTES_MAX) {
    throw invalidArgument(
      `Cannot answer: the values of these keys have ${bytes} bytes, the limit is ${RESPONSE_BYTES_MAX} ` +
        "(RESPONSE_BYTES_MAX): read fewer keys at a time",
    );
  }
  try {
    options.lease?.take(bytes);
  } catch (error) {
    discardValues(results);
    throw error;
  }
  return expires ? withTimes(results, node.wallMs()) : results;
}

/**
 * Gives back the memory of large values that nobody looks at any more: left to the collector, which sees a
 * few small objects, a hundred of them would lie about. Those that share their buffer with others stay.
 */
export function discardValues(results: readonly (Pick<Found & object, "value"> | undefined)[]): void {
  for (const result of results) {
    const { buffer, byteLength } = result?.value ?? NO_VALUE;
    const isWhole = byteLength === buffer.byteLength && byteLength > DISCARDED_BYTES_MIN;
    if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0);
  }
}

const NO_VALUE = new Uint8Array(0);
/** Smaller values are cut from common buffers, or cost the collector next to nothing. */
const DISCARDED_BYTES_MIN = 64 * 1024;

/**
 * The node knows how long a key has, by clocks that only count; when that is, is for callers, who compare it
 * with clocks that show the time of day.
 */
function withTimes(results: readonly ReadResult[], wallMs: number): readonly Found[] {
  return results.map((result) => {
    if (result?.expiresInMs === undefined) return result;
    const { value, version, expiresInMs } = result;
    return { value, version, expiresAtMs: Math.max(1, Math.floor(wallMs + expiresInMs)) };
  });
}

/** Invariant of `NodeApi`: one result for each thing asked, at most 10,000. */
function mustMatch(asked: readonly unknown[], answered: readonly unknown[]): void {
  if (asked.length !== answered.length || asked.length > BATCH_MUTATIONS_MAX) {
    throw new Error(`the node gave ${answered.length} results for ${asked.length}`);
  }
}
