/**
 * TODO(header): client/arguments
 *
 * @module
 */

export {
  baseUrls,
  type Bytes,
  keyBytes,
  preconditionOf,
  type PreconditionOption,
  timeoutOf,
  ttlOf,
  valueBytes,
  wholeNumber,
} from "./argument.ts";
export { type BatchMutation, type BatchResult, batchResultOf, encodableBatch } from "./batch.ts";
export {
  ATTEMPTS_DEFAULT,
  BATCHES_IN_FLIGHT_DEFAULT,
  BATCHES_IN_FLIGHT_MAX,
  type CallOptions,
  type ClientOptions,
  type DeleteOptions,
  type GetOptions,
  type PutOptions,
  type ReadOptions,
} from "./options.ts";
