/**
 * A batch of writes as callers give it, and its results.
 *
 * @module
 */

import { BATCH_BYTES_MAX, BATCH_MUTATIONS_MAX } from "../../proto/mod.ts";
import type { DecodedWriteResult, EncodableMutation } from "../codec/mod.ts";
import { PrkDbError } from "../transport/mod.ts";
import {
  type Bytes,
  keyBytes,
  preconditionOf,
  type PreconditionOption,
  ttlOf,
  valueBytes,
} from "./argument.ts";

/** One change of one key. */
export type BatchMutation =
  | {
    readonly kind: "put";
    readonly key: Bytes;
    readonly value: Bytes;
    /** Milliseconds until the key expires, 1 or more; never unless given. */
    readonly ttlMs?: number;
    readonly precondition?: PreconditionOption;
  }
  | { readonly kind: "delete"; readonly key: Bytes; readonly precondition?: PreconditionOption };

/** What came of one mutation. Those of one partition are applied all or none. */
export type BatchResult =
  /** `existed` is for deletes: whether there was such a key. */
  | { readonly kind: "applied"; readonly version: number; readonly existed: boolean }
  /**
   * With code `aborted` another mutation of the same partition has failed, which is why this one was not
   * applied.
   */
  | { readonly kind: "failed"; readonly error: PrkDbError };

/**
 * The mutations in the form that is sent.
 *
 * @throws {TypeError} when a mutation is of no known kind
 * @throws {RangeError} when the batch is empty, or exceeds 10,000 mutations or 8 MiB of keys and values
 */
export function encodableBatch(mutations: readonly BatchMutation[]): readonly EncodableMutation[] {
  if (mutations.length < 1 || mutations.length > BATCH_MUTATIONS_MAX) {
    throw new RangeError(
      `Cannot write this batch: it must have 1 to ${BATCH_MUTATIONS_MAX} mutations, ` +
        `it has ${mutations.length}`,
    );
  }
  const encodable = mutations.map((mutation, position) => encodableMutation(mutation, position));
  let bytes = 0;
  for (const mutation of encodable) {
    bytes += mutation.key.length + (mutation.kind === "put" ? mutation.value.length : 0);
  }
  if (bytes <= BATCH_BYTES_MAX) return encodable;
  throw new RangeError(
    `Cannot write this batch: it must have at most ${BATCH_BYTES_MAX} bytes of keys and values, ` +
      `it has ${bytes}. Split it into several`,
  );
}

function encodableMutation(mutation: BatchMutation, position: number): EncodableMutation {
  // Callers without a type check can hand in anything, and whatever is not refused here would be applied.
  const kind: unknown = mutation?.kind;
  if (mutation?.kind !== "put" && mutation?.kind !== "delete") {
    throw new TypeError(
      `Cannot write this batch: the kind of mutation ${position} must be put or delete, it is ${shown(kind)}`,
    );
  }
  const key = keyBytes(mutation.key);
  const precondition = preconditionOf(mutation.precondition);
  if (mutation.kind === "delete") return { kind: "delete", key, precondition };
  return { kind: "put", key, value: valueBytes(mutation.value), ttlMs: ttlOf(mutation.ttlMs), precondition };
}

function shown(kind: unknown): string {
  return typeof kind === "string" ? `"${kind}"` : String(kind);
}

/**
 * The public result of one mutation.
 *
 * @throws whatever it was rejected with, if that is not the cluster's answer but the caller's own signal
 */
export function batchResultOf(settled: PromiseSettledResult<DecodedWriteResult>): BatchResult {
  if (settled.status === "fulfilled") {
    return { kind: "applied", version: settled.value.version, existed: settled.value.existed };
  }
  if (settled.reason instanceof PrkDbError) return { kind: "failed", error: settled.reason };
  throw settled.reason;
}
