/**
 * Names of a store's files.
 *
 * @module
 */

/** What the manifest in force is named by. */
export const CURRENT_NAME = "CURRENT";
/** In the making. */
export const CURRENT_TMP_NAME = "CURRENT.tmp";

const DIGITS = 16;

/** Kinds of numbered files. */
export type NumberedKind = "manifest" | "table";

/** As in `0000000000000012.table`. */
export function numberedName(number: number, kind: NumberedKind): string {
  return `${String(number).padStart(DIGITS, "0")}.${kind}`;
}

/** The number in a name of such a file, of either kind; `undefined` for any other name. */
export function fileNumberOf(name: string): number | undefined {
  const digits = /^(\d{16})\.(manifest|table)$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
