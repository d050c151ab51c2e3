/**
 * The checkers of histories: recorded with `tests/support/load/history.ts`, judged here.
 *
 * @module
 */

export { checkLinearizable, type CheckOptions, describeVerdict, type HistoryVerdict } from "./checker.ts";
export {
  type Condition,
  describeOperation,
  type History,
  type Operation,
  type OperationOutcome,
  type Reading,
  type RegisterAction,
} from "./history.ts";
export { type StaleRead, staleReadComplaints } from "./stale_reads.ts";
export { versionComplaints } from "./versions.ts";
