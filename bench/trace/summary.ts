/**
 * From many journeys to a table: when each step was taken, and how long after the one that it waits for.
 *
 * @module
 */

import type { Journey } from "./journey.ts";
import { type CallKind, type JourneyStep, stepsOf } from "./steps.ts";

/** Of some milliseconds. */
export interface Spread {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a step came to. */
export interface StepFigures {
  readonly step: JourneyStep;
  readonly sinceBegin: Spread;
  /** Nothing for the first step. */
  readonly sinceStepBefore: Spread | undefined;
}

/** The figures of each step. @param journeys complete ones of calls of that kind, at least one */
export function summarize(kind: CallKind, journeys: readonly Journey[]): readonly StepFigures[] {
  const between = (from: string | readonly string[], to: string) =>
    spreadOf(journeys.map((journey) => journey.get(to)! - latest(journey, from)));
  return stepsOf(kind).map((step) => ({
    step,
    sinceBegin: between("begun", step.key),
    sinceStepBefore: step.after === "" ? undefined : between(step.after, step.key),
  }));
}

function latest(journey: Journey, keys: string | readonly string[]): number {
  return Math.max(...[keys].flat().map((key) => journey.get(key)!));
}

/** Median and 99th percentile. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** The lines of a table in Markdown. */
export function tableOf(figures: readonly StepFigures[]): readonly string[] {
  const cells = figures.map(({ step, sinceBegin, sinceStepBefore }) => [
    step.role,
    step.isBeside === true ? `(${step.label})` : step.label,
    millis(sinceBegin.p50Ms),
    millis(sinceBegin.p99Ms),
    sinceStepBefore === undefined ? "" : millis(sinceStepBefore.p50Ms),
    sinceStepBefore === undefined ? "" : millis(sinceStepBefore.p99Ms),
  ]);
  const head = ["who", "stop", "at, p50", "p99", "step, p50", "p99"];
  const widths = head.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]!.length)));
  const line = (row: readonly string[]) =>
    `| ${
      row.map((cell, at) => at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)).join(" | ")
    } |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...cells.map(line)];
}

/** Milliseconds, to the microsecond as far as they say anything. */
function millis(ms: number): string {
  return ms.toFixed(ms < 10 ? 3 : 1);
}
