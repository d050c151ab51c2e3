/**
 * How commands print what they found.
 *
 * @module
 */

import type { ActionContext } from "./context.ts";

/** Where it is printed. */
type Output = Pick<ActionContext, "json" | "writeOutput">;

/** What a command has to say, in both forms. */
export interface Printout {
  readonly json: unknown;
  readonly text: string;
}

/** Prints `json` on one line with `--json`, else `text`, unless it is empty. */
export function print(context: Output, { json, text }: Printout): void {
  if (context.json) printJson(context, json);
  else if (text !== "") printLine(context, text);
}

/** Prints `json` on one line. */
export function printJson(context: Output, json: unknown): void {
  printLine(context, JSON.stringify(json));
}

/** Prints `text` and a line feed. */
export function printLine(context: Output, text: string): void {
  context.writeOutput(new TextEncoder().encode(`${text}\n`));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A number of bytes for people, as in `1.5 MiB`. */
export function byteText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
