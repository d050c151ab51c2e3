/**
 * `prkdb.v1.KvService` on top of a node: each method validates, asks the node once and translates the answer.
 * Scan, Transact and Watch are not served yet.
 *
 * @module
 */

import { BATCH_MUTATIONS_MAX, KvService, RESPONSE_BYTES_MAX } from "../../../proto/mod.ts";
import {
  invalidArgument,
  type NodeApi,
  type NodeCallOptions,
  type ReadResult,
  type WriteResult,
} from "../../api/mod.ts";
import type { Mutation, RequestId } from "../../kv/mod.ts";
import {
  type StreamMethod,
  type UnaryMethod,
  unaryMethod,
  unservedMethod,
  unservedStream,
} from "../method/mod.ts";
import { decodeGet, decodeGetMany, decodePut, decodeWriteBatch } from "./decode.ts";
import { encodeGet, encodeGetMany, encodePut, encodeWriteBatch } from "./encode.ts";
import {
  checkKey,
  checkKeys,
  type Freshness,
  toDelete,
  toDeleteResponse,
  toFreshness,
  toGetManyResponse,
  toGetResponse,
  toMutations,
  toPut,
  toPutResponse,
  toRequestId,
  toWriteBatchResponse,
  type Written,
} from "./fields.ts";

/** The unary methods of `KvService`, served by `node`. */
export function kvMethods(node: NodeApi): readonly UnaryMethod[] {
  return [...writeMethods(node), ...readMethods(node), unservedMethod(KvService.method.transact)];
}

/** The streaming methods of `KvService`. */
export function kvStreams(): readonly StreamMethod[] {
  return [unservedStream(KvService.method.scan), unservedStream(KvService.method.watch)];
}

function writeMethods(node: NodeApi): readonly UnaryMethod[] {
  return [
    unaryMethod({
      desc: KvService.method.put,
      call: (input, options) => {
        const mutation = toPut(input, input.precondition);
        return writeOne(node, mutation, { ...options, requestId: toRequestId(input.requestId) });
      },
      reply: toPutResponse,
      decode: decodePut,
      encode: encodePut,
    }),
    unaryMethod({
      desc: KvService.method.delete,
      call: (input, options) => {
        const mutation = toDelete(input.key, input.precondition);
        return writeOne(node, mutation, { ...options, requestId: toRequestId(input.requestId) });
      },
      reply: toDeleteResponse,
    }),
    unaryMethod({
      desc: KvService.method.writeBatch,
      call: (input, options) => {
        const mutations = toMutations(input.mutations);
        const requestId = toRequestId(input.requestId);
        return writeMany(node, mutations, { ...options, requestId });
      },
      reply: toWriteBatchResponse,
      decode: decodeWriteBatch,
      encode: encodeWriteBatch,
    }),
  ];
}

function readMethods(node: NodeApi): readonly UnaryMethod[] {
  return [
    unaryMethod({
      desc: KvService.method.get,
      call: async (input, options) => {
        checkKey(input.key, "key");
        const freshness = toFreshness(input.consistency, input.maxStalenessMs);
        const [result] = await readMany(node, [input.key], { ...options, ...freshness });
        return result;
      },
      reply: toGetResponse,
      decode: decodeGet,
      encode: encodeGet,
    }),
    unaryMethod({
      desc: KvService.method.getMany,
      call: (input, options) => {
        const keys = checkKeys(input.keys);
        return readMany(node, keys, { ...options, ...toFreshness(input.consistency, 0n) });
      },
      reply: toGetManyResponse,
      decode: decodeGetMany,
      encode: encodeGetMany,
    }),
  ];
}

interface Writing extends NodeCallOptions {
  readonly requestId: RequestId | undefined;
}

async function writeOne(node: NodeApi, mutation: Mutation, options: Writing): Promise<Written> {
  const [result] = await node.write([mutation], options);
  if (result === undefined) throw new Error("the node gave no result for one mutation");
  if (!result.ok) throw result.error;
  return result;
}

async function writeMany(
  node: NodeApi,
  mutations: readonly Mutation[],
  options: Writing,
): Promise<readonly WriteResult[]> {
  if (mutations.length === 0) return [];
  const results = await node.write(mutations, options);
  mustMatch(mutations.length, results.length);
  return results;
}

async function readMany(
  node: NodeApi,
  keys: readonly Uint8Array[],
  options: NodeCallOptions & Freshness,
): Promise<readonly ReadResult[]> {
  if (keys.length === 0) return [];
  const results = await node.read(keys, options);
  mustMatch(keys.length, results.length);
  let bytes = 0;
  for (const result of results) bytes += result?.value.length ?? 0;
  if (bytes > RESPONSE_BYTES_MAX) {
    throw invalidArgument(
      `Cannot answer: RESPONSE_BYTES_MAX allows ${RESPONSE_BYTES_MAX} bytes of values, these keys hold ${bytes}`,
    );
  }
  return results;
}

/** Invariant of `NodeApi`: one result for each thing asked, at most 10,000. */
function mustMatch(asked: number, answered: number): void {
  if (asked !== answered || asked > BATCH_MUTATIONS_MAX) {
    throw new Error(`the node gave ${answered} results for ${asked}`);
  }
}
