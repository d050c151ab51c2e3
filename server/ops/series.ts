/**
 * Figures as Prometheus reads them: the lines that say what a name means, and one line for each sample.
 *
 * @module
 */

/** In place of a partition's number where figures are added up. */
export const ALL = "all";

/** Whether each partition has its own series, or all together have one; by their number if it is not said. */
export type PartitionDetail = "each" | "aggregate";

/** One figure: a counter if its name ends in `_total`, else a gauge. */
export interface ShownFigure<T> {
  readonly name: string;
  readonly help: string;
  readonly valueOf: (sample: T) => number;
}

/** What stands for the figures of all partitions. */
export type Together = "sum" | "max";

/** Samples, and what tells one from another. */
export interface Labelled<T> {
  readonly samples: readonly T[];
  readonly labelOf: (sample: T) => string;
}

/** One line for each sample. */
export function showEach<T>(
  lines: string[],
  reading: ShownFigure<T>,
  { samples, labelOf }: Labelled<T>,
): void {
  describe(lines, reading);
  for (const sample of samples) {
    lines.push(`${reading.name}{${labelOf(sample)}} ${reading.valueOf(sample)}`);
  }
}

/** One figure for many. */
export function togetherOf(together: Together, values: readonly number[]): number {
  return values.reduce((all, value) => together === "sum" ? all + value : Math.max(all, value), 0);
}

/** The lines that stand above the samples of a name. */
export function describe(lines: string[], { name, help }: Pick<ShownFigure<never>, "name" | "help">): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${name.endsWith("_total") ? "counter" : "gauge"}`);
}
