/**
 * What a node's data directory holds, told without opening it: for an operator who wants to know before a
 * node is started, beside one that runs, or after one that does not start any more.
 *
 * **What it owns.** Nothing. `inspection.ts` puts a report together from `log_report.ts` and
 * `store_report.ts`; `report_text.ts` says it to people. The reading itself belongs to the rooms whose files
 * they are.
 *
 * **What it never does.** It locks, mends, cuts and removes nothing: all goes through a file system that
 * refuses to write. It decides nothing about what it finds, and damage in one place keeps it from telling no
 * other.
 *
 * **Beside a node that runs** the report is of some moment for each file, not of one for all: what may be
 * damage or only be changing is looked at again.
 *
 * @module
 */

export { type DirectoryReport, inspectDirectory, type InspectOptions } from "./inspection.ts";
export { reportText } from "./report_text.ts";
