/**
 * The messages of the hot path between the client's plain data and protobuf's binary form: `requests.ts`
 * encodes, `responses.ts` decodes. The room knows the contract (`proto/prkdb/v1/kv.proto`) and nothing of
 * nodes, routes or retries; it validates nothing but the bytes themselves. All other messages go through the
 * generated code.
 *
 * @module
 */

export {
  type ClientRequestId,
  type Consistency,
  CONSISTENCY_NUMBER,
  type EncodableMutation,
  type EncodablePrecondition,
  encodeGetManyRequest,
  encodeGetRequest,
  encodeMutationRequest,
  encodeWriteBatchRequest,
} from "./requests.ts";
export {
  type DecodedEntry,
  type DecodedWriteResult,
  decodeGetManyResponse,
  decodeGetResponse,
  decodeMutationResponse,
  decodeWriteBatchResponse,
} from "./responses.ts";
