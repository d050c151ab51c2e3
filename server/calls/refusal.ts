/**
 * Why a call is not answered, for people: what could not be done, the limit with its number where there is
 * one, and what to do next.
 *
 * @module
 */

import { DomainError, type RefusedBy } from "../api/mod.ts";
import { describePartition } from "../cluster/mod.ts";
import type { Call } from "./call.ts";

/** The node is on its way out. */
export function stopping(): DomainError {
  return new DomainError({ kind: "unavailable" }, "This node is stopping: ask another node", "stopping");
}

/** No leader of the partition is known here. */
export function noLeader(partitionId: number): DomainError {
  return new DomainError(
    { kind: "unavailable" },
    `No leader is known for ${describePartition(partitionId)}: try again later`,
    "no_leader",
  );
}

/** A budget is used up. Nothing has happened. */
export function overloaded(what: string, limit: number, refusedBy: RefusedBy): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `${what} (limit ${limit.toLocaleString("en-US")}): try again later`,
    refusedBy,
  );
}

/** The write may or may not take effect. */
export function outcomeUnknown(partitionId: number, why: string): DomainError {
  return new DomainError({ kind: "outcomeUnknown" }, cannotTell(partitionId, why));
}

/** The deadline has passed while a majority, or the node that was asked, did not answer. */
export function late({ kind, partitionId }: Call, silent: string): DomainError {
  const why = `${silent} did not answer before the call's deadline`;
  const message = kind === "write"
    ? cannotTell(partitionId, why)
    : `Cannot read from ${describePartition(partitionId)}: ${why}; try again, or allow more time`;
  return new DomainError({ kind: "deadline" }, message);
}

function cannotTell(partitionId: number, why: string): string {
  return `Cannot tell whether the write to ${describePartition(partitionId)} took effect: ${why}; ` +
    "look before you repeat it";
}
