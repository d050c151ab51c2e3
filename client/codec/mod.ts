/**
 * TODO(header): client/codec
 *
 * @module
 */

export {
  type ClientRequestId,
  type Consistency,
  CONSISTENCY_NUMBER,
  type DecodedEntry,
  type DecodedWriteResult,
  decodeGet,
  decodeGetMany,
  decodeMutationResponse,
  decodeWriteBatch,
  type EncodableMutation,
  type EncodablePrecondition,
  encodeGet,
  encodeGetMany,
  encodeMutationRequest,
  encodeWriteBatch,
} from "./codec.ts";
