/**
 * Says where a history stops making sense: the last operations that could be put in order, the state after
 * them, and those that had to come next and could not.
 *
 * @module
 */

import type { Candidate } from "./candidate.ts";
import { describeOperation } from "./history.ts";
import type { State } from "./register.ts";
import type { DeadEnd } from "./search.ts";

/** As many operations before the dead end as one looks at. */
const LAST_SHOWN = 6;
const ENABLED_SHOWN = 12;

/** The dead end in words, several lines. */
export function explainDeadEnd(key: string, deadEnd: DeadEnd): string {
  const { done, state, firstToReturn, nextByVersion } = deadEnd;
  const last = done.slice(-LAST_SHOWN);
  return [
    `key ${JSON.stringify(key)}: no order of the operations explains all answers`,
    `${done.length} operations can be put in order, the last ${last.length} of them:`,
    ...last.map(line),
    `then there is ${describeState(state)}, and what may come next by time does not fit:`,
    ...enabledLines(deadEnd),
    ...(firstToReturn === undefined ? [] : ["nothing called later may come before:", line(firstToReturn)]),
    ...(nextByVersion === undefined
      ? []
      : ["the lowest version told by what is left is that of:", line(nextByVersion)]),
  ].join("\n");
}

function enabledLines({ enabled }: DeadEnd): string[] {
  const shown = [...enabled].sort((a, b) => Number(a.isOptional) - Number(b.isOptional)).slice(
    0,
    ENABLED_SHOWN,
  );
  const rest = enabled.length - shown.length;
  return [...shown.map(line), ...(rest === 0 ? [] : [`  and ${rest} more`])];
}

function line({ operation, outcome }: Candidate): string {
  const wasFound = outcome.kind === "written" && operation.outcome.kind === "unknown";
  return `  ${describeOperation(operation)}${wasFound ? ` (read at version ${outcome.version})` : ""}`;
}

function describeState({ value, version, floor }: State): string {
  if (value === undefined) return `no such key, last changed at version ${floor}`;
  // A value nobody has read stands for all of them.
  const shown = value.startsWith("\u0000") ? "some value" : JSON.stringify(value);
  return version === undefined ? `${shown} at version ${floor} or later` : `${shown} at version ${version}`;
}
