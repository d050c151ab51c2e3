/**
 * A batch of writes as callers give it, and its results.
 *
 * @module
 */

import { BATCH_BYTES_MAX, BATCH_MUTATIONS_MAX } from "../../proto/mod.ts";
import type { DecodedWriteResult, EncodableMutation } from "../codec/mod.ts";
import { PrkDbError } from "../transport/mod.ts";
import {
  addendOf,
  type Bytes,
  keyBytes,
  preconditionOf,
  type PreconditionOption,
  ttlOf,
  valueBytes,
} from "./argument.ts";
import { checkNames, describeKind, type OptionNames } from "./object_check.ts";

/** One change of one key. */
export type BatchMutation =
  | {
    readonly kind: "put";
    readonly key: Bytes;
    readonly value: Bytes;
    /** As in `PutOptions`. */
    readonly ttlMs?: number;
    readonly precondition?: PreconditionOption;
  }
  | { readonly kind: "delete"; readonly key: Bytes; readonly precondition?: PreconditionOption }
  /** Sees what mutations before it in the batch have done. */
  | {
    readonly kind: "increment";
    readonly key: Bytes;
    /** As in `PrkDbClient.increment`; 1 unless given. */
    readonly by?: number | bigint;
    /** As in `IncrementOptions`. */
    readonly ttlMs?: number;
    readonly precondition?: PreconditionOption;
  };

/** A mutation that was applied. */
export interface AppliedResult {
  readonly kind: "applied";
  readonly version: number;
  /** Of a delete: whether there was such a key. */
  readonly existed: boolean;
  /** Of an increment: the new number. */
  readonly value?: bigint;
}

/** What came of one mutation. Those of one partition are applied all or none. */
export type BatchResult =
  | AppliedResult
  /**
   * With code `aborted` another mutation of the same partition has failed, which is why this one was not
   * applied.
   */
  | { readonly kind: "failed"; readonly error: PrkDbError };

const DELETE_FIELDS: OptionNames = new Set(["kind", "key", "precondition"]);
const PUT_FIELDS: OptionNames = new Set([...DELETE_FIELDS, "value", "ttlMs"]);
const INCREMENT_FIELDS: OptionNames = new Set([...DELETE_FIELDS, "by", "ttlMs"]);
const FIELDS: ReadonlyMap<unknown, OptionNames> = new Map([
  ["put", PUT_FIELDS],
  ["delete", DELETE_FIELDS],
  ["increment", INCREMENT_FIELDS],
]);

/**
 * The mutations in the form that is sent.
 *
 * @throws {TypeError} when it is no array, or a mutation is of no known kind or has a field that is not known
 * @throws {RangeError} when the batch is empty, or exceeds 10,000 mutations or 8 MiB of keys and values
 */
export function encodableBatch(mutations: readonly BatchMutation[]): readonly EncodableMutation[] {
  if (!Array.isArray(mutations)) {
    throw new TypeError(
      `Cannot write this batch: it must be an array of mutations, it is ${describeKind(mutations)}`,
    );
  }
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
  const known = FIELDS.get(kind);
  if (known === undefined) {
    throw new TypeError(
      `Cannot write this batch: the kind of mutation ${position} must be put, delete or increment, ` +
        `it is ${shown(kind)}`,
    );
  }
  checkNames(mutation, { known, what: `mutation ${position}` });
  const key = keyBytes(mutation.key);
  const precondition = preconditionOf(mutation.precondition);
  if (mutation.kind === "delete") return { kind: "delete", key, precondition };
  const ttlMs = ttlOf(mutation.ttlMs);
  if (mutation.kind === "put") {
    return { kind: "put", key, value: valueBytes(mutation.value), ttlMs, precondition };
  }
  return { kind: "increment", key, by: addendOf(mutation.by ?? 1n), ttlMs, precondition };
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
    const { version, existed, number } = settled.value;
    const applied = { kind: "applied", version, existed } as const;
    return number === undefined ? applied : { ...applied, value: number };
  }
  if (settled.reason instanceof PrkDbError) return { kind: "failed", error: settled.reason };
  throw settled.reason;
}
