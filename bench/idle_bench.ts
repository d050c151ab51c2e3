/**
 * `deno task bench:idle`: what three nodes cost when nobody calls, with few and with many partitions: the
 * time until all can serve, and each node's processor time at rest, with all nodes up and with one killed.
 *
 * Flags: `--seconds N` of rest that are measured (20), `--partitions N` instead of 9, 100 and 1,000,
 * `--json`. Linux only: processor time is read from `/proc`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { ProcessCluster } from "../tests/support/cluster/process_cluster.ts";
import { pause } from "../tests/support/patience.ts";
import { processorSecondsOf } from "./machine.ts";
import { type Figure, machine, printFigures, rounded } from "./report.ts";

/**
 * Quiet groups fall asleep two election timeouts after their last entry; the runtime settles meanwhile, too.
 */
const SETTLE_MS = 15_000;

const { values: flags } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "20" },
    partitions: { type: "string", default: "9,100,1000" },
    json: { type: "boolean", default: false },
  },
});

await main();

async function main(): Promise<void> {
  const say = flags.json ? () => {} : console.log;
  say(`${machine()}; three nodes on it, nobody calls`);
  const figures: Figure[] = [];
  for (const partitions of flags.partitions.split(",").map(Number)) {
    figures.push(...await measureRest(partitions, say));
  }
  say("");
  printFigures(figures, flags.json);
}

async function measureRest(partitions: number, say: (line: string) => void): Promise<Figure[]> {
  const startedMs = performance.now();
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions });
  const startSeconds = (performance.now() - startedMs) / 1000;
  const all = await processorPercent(cluster);
  await cluster.kill(3, "SIGKILL");
  const without = await processorPercent(cluster);
  say(
    `${partitions} partitions: ready after ${rounded(startSeconds)} s, at rest ${
      rounded(all)
    } % of a processor a node, ` +
      `${rounded(without)} % with one node down`,
  );
  return [
    { name: `idle_start_${partitions}`, value: startSeconds, unit: "s" },
    { name: `idle_processor_${partitions}`, value: all, unit: "%" },
    { name: `idle_processor_one_down_${partitions}`, value: without, unit: "%" },
  ];
}

/** The highest share of one processor that any running node takes. */
async function processorPercent(cluster: ProcessCluster): Promise<number> {
  await pause(SETTLE_MS);
  const ids = cluster.runningIds;
  const before = ids.map((id) => processorSecondsOf(cluster.process(id).pid));
  const seconds = Number(flags.seconds);
  await pause(seconds * 1000);
  const used = ids.map((id, at) => processorSecondsOf(cluster.process(id).pid) - before[at]!);
  return Math.max(...used) / seconds * 100;
}
