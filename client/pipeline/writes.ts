/**
 * How writes speak to nodes: many mutations as one `WriteBatch`, or one mutation with a precondition as
 * `Put`, `Delete` or `Increment`, whose error tells the key's version. Each exchange keeps one sequence of
 * the session for its life.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import {
  type DecodedWriteResult,
  decodeMutationResponse,
  decodeWriteBatchResponse,
  type EncodableMutation,
  encodeMutationRequest,
  encodeWriteBatchRequest,
} from "../codec/mod.ts";
import type { Routes } from "../routing/mod.ts";
import { type CallFailure, errorOf, failureOfCode } from "../transport/mod.ts";
import type { Exchange } from "./exchange.ts";
import type { ItemFailures, PartitionBatch } from "./partition_batch.ts";
import type { Pending } from "./pending.ts";
import type { Session } from "./session.ts";

/** A mutation whose result is waited for. */
export type PendingWrite = Pending<EncodableMutation, DecodedWriteResult>;

const PATHS = {
  batch: `/${KvService.typeName}/${KvService.method.writeBatch.name}`,
  put: `/${KvService.typeName}/${KvService.method.put.name}`,
  delete: `/${KvService.typeName}/${KvService.method.delete.name}`,
  increment: `/${KvService.typeName}/${KvService.method.increment.name}`,
} as const;

/** What a write is sent with. */
export interface WriteContext {
  readonly routes: Routes;
  readonly session: Session;
  /** Taken from `session` for this write alone. */
  readonly sequence: number;
}

/** Mutations of any partitions as one batch under one sequence. */
export function batchExchange({ routes, session, sequence }: WriteContext): Exchange<PendingWrite> {
  return {
    path: PATHS.batch,
    readOnly: false,
    splitOnRetry: false,
    toLeader: true,
    target: (batch) => routes.leaderOf(batch.route),
    encode: (batches) => encodeWriteBatchRequest(batches.flatMap(mutationsOf), session.requestId(sequence)),
    settle: settleBatch,
  };
}

/**
 * The same for mutations of callers that know nothing of each other: an increment that cannot be done fails
 * alone. It has kept the others of its partition from being applied, so those are written again, as a new
 * write: the first one has had its outcome, that nothing took effect.
 *
 * @param again writes what was kept from being applied
 */
export function joinedExchange(
  context: WriteContext,
  again: (items: readonly PendingWrite[]) => void,
): Exchange<PendingWrite> {
  return {
    ...batchExchange(context),
    settle: (items, response) => {
      const failures = settleBatch(items, response);
      return failures?.some(isNotANumber) ? settleJoined(items, failures, again) : failures;
    },
  };
}

/** One mutation as a call of its own. */
export function singleExchange(
  kind: EncodableMutation["kind"],
  context: WriteContext,
): Exchange<PendingWrite> {
  const { routes, session, sequence } = context;
  return {
    path: PATHS[kind],
    readOnly: false,
    splitOnRetry: false,
    toLeader: true,
    target: (batch) => routes.leaderOf(batch.route),
    encode: ([batch]) => encodeMutationRequest(batch!.items[0]!.request, session.requestId(sequence)),
    settle: ([item], response) => {
      item!.resolve(decodeMutationResponse(response, kind));
      return undefined;
    },
  };
}

function mutationsOf(batch: PartitionBatch<PendingWrite>): readonly EncodableMutation[] {
  return batch.items.map((item) => item.request);
}

function settleBatch(items: readonly PendingWrite[], response: Uint8Array): ItemFailures | undefined {
  const results = decodeWriteBatchResponse(response);
  if (results.length !== items.length) {
    throw new RangeError(`it holds ${results.length} results for ${items.length} mutations`);
  }
  let failures: ItemFailures | undefined;
  for (const [position, result] of results.entries()) {
    if (result.errorCode === "") items[position]!.resolve(result);
    else failures ??= results.map(failureOfResult);
  }
  return failures;
}

/** What is left to the dispatcher of `failures`, some of which are increments that cannot be done. */
function settleJoined(
  items: readonly PendingWrite[],
  failures: ItemFailures,
  again: (items: readonly PendingWrite[]) => void,
): ItemFailures {
  const kept: PendingWrite[] = [];
  const left = failures.map((failure, position) => {
    const item = items[position]!;
    if (isNotANumber(failure)) item.reject(errorOf(failure));
    else if (isKeptFromApplying(failure)) kept.push(item);
    else return failure;
    return undefined;
  });
  const wanted = kept.filter((item) => !item.isSettled);
  if (wanted.length > 0) again(wanted);
  return left;
}

function isNotANumber(failure: ItemFailures[number]): failure is CallFailure & { kind: "notANumber" } {
  return failure?.kind === "notANumber";
}

/** Joined mutations have no preconditions, so it can only be an increment that has kept it. */
function isKeptFromApplying(failure: ItemFailures[number]): boolean {
  return failure?.kind === "final" && failure.code === "aborted";
}

function failureOfResult({ errorCode, errorMessage }: DecodedWriteResult): ItemFailures[number] {
  return errorCode === "" ? undefined : failureOfCode(errorCode, errorMessage);
}
