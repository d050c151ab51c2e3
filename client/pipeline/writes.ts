/**
 * How writes speak to nodes: many mutations as one `WriteBatch`, or one mutation with a precondition as `Put`
 * or `Delete`, whose error tells the key's version. Each exchange keeps one sequence of the session for its
 * life.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import {
  type DecodedWriteResult,
  decodeMutationResponse,
  decodeWriteBatch,
  type EncodableMutation,
  encodeMutationRequest,
  encodeWriteBatch,
} from "../codec/mod.ts";
import type { Routes } from "../routing/mod.ts";
import { failureOfCode } from "../transport/mod.ts";
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
    encode: (batches) => encodeWriteBatch(batches.flatMap(mutationsOf), session.requestId(sequence)),
    settle: settleBatch,
  };
}

/** One mutation as a call of its own. */
export function singleExchange(kind: "put" | "delete", context: WriteContext): Exchange<PendingWrite> {
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
  const results = decodeWriteBatch(response);
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

function failureOfResult({ errorCode, errorMessage }: DecodedWriteResult): ItemFailures[number] {
  return errorCode === "" ? undefined : failureOfCode(errorCode, errorMessage);
}
