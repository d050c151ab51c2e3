/**
 * How commands print what they found.
 *
 * @module
 */

import type { ActionContext } from "./context.ts";

/** Prints `json` on one line with `--json`, else `text`, unless it is empty. */
export function print(
  context: ActionContext,
  { json, text }: { readonly json: unknown; readonly text: string },
): void {
  const line = context.json ? JSON.stringify(json) : text;
  if (line !== "") context.writeOutput(new TextEncoder().encode(`${line}\n`));
}
