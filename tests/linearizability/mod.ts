/**
 * The checkers of histories: recorded with `tests/support/history.ts`, judged here.
 *
 * @module
 */

export { checkLinearizable, type CheckOptions, describeVerdict, type Verdict } from "./checker.ts";
export {
  type Action,
  type Condition,
  describeOperation,
  type History,
  type Operation,
  type Outcome,
  type Reading,
} from "./history.ts";
export { type StaleRead, staleReadComplaints } from "./stale_reads.ts";
export { versionComplaints } from "./versions.ts";
