/**
 * What callers hand in: the options of the client and of its methods, keys, values, batches and addresses,
 * all checked before anything is sent.
 *
 * It owns the public types of what a caller may say (`options.ts`, `BatchMutation`, `PreconditionOption`),
 * the defaults with their reasons, and the checks against the limits of the contract (`proto/limits`). What
 * passes comes out in the form that is sent (`client/codec`). A wrong argument is a mistake in the calling
 * program: it throws `TypeError` or `RangeError` at once, with what was wanted and what was given, and is no
 * `PrkDbError`, because repeating it cannot help.
 *
 * Batches go both ways: `batch.ts` also turns the settled mutations of a batch into its public results.
 *
 * What it never does: it knows no nodes, no routes and no time, and sends nothing. Limits that depend on the
 * state of the client, such as how much may wait for an answer, are those of `client/pipeline`; what only a
 * node can know, such as whether a node id exists, is refused by the node.
 *
 * @module
 */

export {
  addendOf,
  type Addresses,
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
export {
  type AppliedResult,
  type BatchMutation,
  type BatchResult,
  batchResultOf,
  encodableBatch,
} from "./batch.ts";
export { describeKind } from "./object_check.ts";
export {
  CALL_OPTIONS,
  checkCallOptions,
  checkClientOptions,
  DELETE_OPTIONS,
  GET_OPTIONS,
  INCREMENT_OPTIONS,
  NO_OPTIONS,
  optionNames,
  PUT_OPTIONS,
  READ_OPTIONS,
} from "./option_check.ts";
export {
  ATTEMPTS_DEFAULT,
  BATCHES_IN_FLIGHT_DEFAULT,
  BATCHES_IN_FLIGHT_MAX,
  type CallOptions,
  type ClientOptions,
  type DeleteOptions,
  type GetOptions,
  type IncrementOptions,
  type PutOptions,
  type ReadOptions,
} from "./options.ts";
export { jsonOf, textOf } from "./text.ts";
