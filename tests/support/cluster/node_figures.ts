/**
 * What a node under test says of itself at `/metrics`.
 *
 * @module
 */

import type { ProcessCluster } from "./process_cluster.ts";

/** The figures of a node, added up over their labels. */
export type NodeFigures = (name: string, labels?: string) => number;

/**
 * What node `id` says now: a function from a name, and what stands among the labels if only some are meant,
 * to the sum of those series.
 *
 * @throws {Error} when it does not answer, and the function when it has no such figure
 */
export async function figuresOf(cluster: ProcessCluster, id: number): Promise<NodeFigures> {
  const response = await fetch(`${cluster.metricsAddress(id)}/metrics`);
  const lines = (await response.text()).split("\n");
  return (name, labels = "") => {
    const series = lines.filter((line) =>
      (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(labels)
    );
    if (series.length === 0) throw new Error(`Node ${id} has no ${name} with "${labels}"`);
    return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  };
}

/** Bytes and number of the files below a directory. */
export function filesBelow(directory: string): { readonly bytes: number; readonly count: number } {
  let [bytes, count] = [0, 0];
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    try {
      const inner = isDirectory ? filesBelow(path) : { bytes: Deno.statSync(path).size, count: 1 };
      bytes += inner.bytes;
      count += inner.count;
    } catch (error) {
      // Gone between the look at its directory and the look at it.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return { bytes, count };
}
