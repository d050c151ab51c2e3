/**
 * How commands print what they found.
 *
 * @module
 */

import type { ActionContext } from "./context.ts";

/** What a command has to say, in both forms. */
export interface Printout {
  readonly json: unknown;
  readonly text: string;
}

/** Prints `json` on one line with `--json`, else `text`, unless it is empty. */
export function print(context: ActionContext, { json, text }: Printout): void {
  const line = context.json ? JSON.stringify(json) : text;
  if (line !== "") context.writeOutput(new TextEncoder().encode(`${line}\n`));
}
