/**
 * `deno task bench:trace`: where a lone call spends its time. Three nodes as three processes on loopback tell
 * when each call was where (`--record-stops`); calls are made one at a time over gRPC, puts and gets, to the
 * leader of their key and through another node.
 *
 * Flags: `--calls N` of each kind (500), `--warm-up N` before (1,000), `--json`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { ProcessCluster } from "../tests/support/cluster/process_cluster.ts";
import { Machine, processorSecondsOf } from "./machine.ts";
import { type Figure, machine, printFigures, rounded } from "./report.ts";
import { apartMs, checkClocks } from "./trace/clock_check.ts";
import { type Journey, journeyOf, type Timelines, type TracedCall } from "./trace/journey.ts";
import { LoneCaller } from "./trace/lone_calls.ts";
import { NodeStops } from "./trace/node_stops.ts";
import type { CallKind } from "./trace/steps.ts";
import { spreadOf, type StepFigures, summarize, tableOf } from "./trace/summary.ts";
import { workOf } from "./trace/work.ts";

/** A lone put is some sixty stops on three nodes, and turns go on between calls. */
const STOPS_MAX = 200_000;

const KINDS: readonly CallKind[] = [
  { kind: "put", isForwarded: false },
  { kind: "put", isForwarded: true },
  { kind: "get", isForwarded: false },
  { kind: "get", isForwarded: true },
];

const { values: flags } = parseArgs({
  args: Deno.args,
  options: {
    calls: { type: "string", default: "500" },
    "warm-up": { type: "string", default: "1000" },
    json: { type: "boolean", default: false },
  },
});

await main();

async function main(): Promise<void> {
  const say = flags.json ? () => {} : console.log;
  say(`${machine()}; three nodes and one caller on it; --wal-sync always; 16 B keys, 100 B values`);
  await using cluster = await ProcessCluster.start({ nodes: 3, flags: [`--record-stops=${STOPS_MAX}`] });
  const stops = new NodeStops(new Map(cluster.ids.map((id) => [id, cluster.metricsAddress(id)])));
  const caller = new LoneCaller(cluster);
  const figures: Figure[] = [];
  // All kinds before any is measured: what is compiled late is compiled for all.
  for (const kind of KINDS) await caller.run(kind, Number(flags["warm-up"]));
  for (const kind of KINDS) {
    await stops.take();
    const [before, watch] = [processorSeconds(cluster), new Machine()];
    const { calls, failed } = await caller.run(kind, Number(flags.calls));
    const others = rounded(watch.othersShare(processorSeconds(cluster) - before));
    say(`\n${nameOf(kind)}, ${calls.length} calls, ${failed} failed; others took ${others} processors\n`);
    figures.push(...tell(kind, calls, await stops.take(), say));
  }
  caller.close();
  say("");
  printFigures(figures, flags.json);
}

/** What all nodes have used so far. */
function processorSeconds(cluster: ProcessCluster): number {
  return cluster.ids.reduce((sum, id) => sum + processorSecondsOf(cluster.process(id).pid), 0);
}

function tell(
  kind: CallKind,
  calls: readonly TracedCall[],
  timelines: Timelines,
  say: (line: string) => void,
): readonly Figure[] {
  const told = calls.map((call) => journeyOf(call, timelines));
  const complete = told.filter(({ missing }) => missing === undefined).map(({ journey }) => journey);
  const missing = told.find((each) => each.missing !== undefined)?.missing;
  if (missing !== undefined) {
    const count = calls.length - complete.length;
    say(`${count} calls are left out, the first as no stop of the ${missing.role} is "${missing.label}"`);
  }
  if (complete.length === 0) throw new Error(`No ${nameOf(kind)} can be followed to its end`);
  const steps = summarize(kind, complete);
  for (const line of tableOf(steps)) say(line);
  say("");
  if (kind.kind === "put") say(waitForDisk(complete));
  for (const line of workOf(calls, timelines)) say(line);
  for (const check of checkClocks(timelines)) {
    const [there, back] = [check.fastestMs * 1000, check.fastestBackMs * 1000].map(rounded);
    const apart = rounded(apartMs(check) * 1000);
    say(
      `clocks of nodes ${check.from} and ${check.to}: fastest message ${there} µs there, ${back} µs back: ` +
        `${apart} µs apart`,
    );
  }
  return figuresOf(kind, steps, complete);
}

/** Nothing is applied before it is durable here, though others may have made it committed. */
function waitForDisk(journeys: readonly Journey[]): string {
  const waits = journeys.map((journey) => journey.get("ownSynced")! - journey.get("confirmed")!);
  const later = waits.filter((ms) => ms > 0);
  if (later.length === 0) return "the leader's own sync was never the last to end";
  return `the leader's own sync was the last to end in ${later.length} of ${waits.length} puts, ` +
    `by ${rounded(spreadOf(later).p50Ms)} ms (median)`;
}

function figuresOf(
  kind: CallKind,
  steps: readonly StepFigures[],
  journeys: readonly Journey[],
): readonly Figure[] {
  const name = nameOf(kind).replaceAll(" ", "_");
  return [
    { name: `trace_${name}_calls`, value: journeys.length, unit: "calls" },
    ...steps.slice(1).flatMap(({ step, sinceBegin }) => [
      { name: `trace_${name}_${step.key}_p50`, value: sinceBegin.p50Ms, unit: "ms" },
      { name: `trace_${name}_${step.key}_p99`, value: sinceBegin.p99Ms, unit: "ms" },
    ]),
  ];
}

function nameOf({ kind, isForwarded }: CallKind): string {
  return `${kind} ${isForwarded ? "forwarded" : "direct"}`;
}
