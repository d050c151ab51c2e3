/**
 * How benchmarks print: a table for people, then `name value unit` lines for programs, or everything as JSON.
 *
 * @module
 */

/** One figure. */
export interface Figure {
  /** Letters, digits and underscores. */
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** Prints the lines, or with `asJson` one JSON object. */
export function printFigures(figures: readonly Figure[], asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify({ machine: machine(), figures }));
    return;
  }
  for (const { name, value, unit } of figures) console.log(`${name} ${rounded(value)} ${unit}`);
}

/** What the figures were measured on. */
export function machine(): string {
  const { hardwareConcurrency } = navigator;
  return `${Deno.build.os} ${Deno.build.arch}, ${hardwareConcurrency} processors, Deno ${Deno.version.deno}`;
}

/** Three significant digits for small values, whole numbers for large ones. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
