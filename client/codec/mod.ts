/**
 * The messages of the hot path as bytes: requests of puts, deletes, increments, gets and batches, and their
 * answers.
 *
 * It owns the plain forms in which the client holds what is sent (`EncodableMutation`, `ClientRequestId`) and
 * what comes back (`DecodedEntry`, `DecodedWriteResult`), and the translation of both to protobuf's binary
 * form. The contract is `proto/prkdb/v1/kv.proto`; this room says the same by hand, because the generated
 * code costs several times as much for each call. `codec_test.ts` holds both equal on random messages, so a
 * change of the contract shows up here as a failing test.
 *
 * Requests are written into a buffer of exactly their size. Fields that are unknown here are passed over when
 * an answer is read, so that newer nodes can be spoken to; an answer that is cut off or makes no sense throws
 * `RangeError`.
 *
 * What it never does: it checks no limits (`client/arguments` has), knows no nodes, and does not translate
 * what is rare: metadata, status and changes of the cluster use the generated code.
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
