/**
 * Nodes that are asked to record where calls are tell every stop of one, in order; nodes that are not asked
 * have no such page.
 *
 * @module
 */

import { journeyOf } from "../../bench/trace/journey.ts";
import { LoneCaller } from "../../bench/trace/lone_calls.ts";
import { NodeStops } from "../../bench/trace/node_stops.ts";
import { type CallKind, stepsOf } from "../../bench/trace/steps.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const test = suite("stops of calls");

const KINDS: readonly CallKind[] = [
  { kind: "put", isForwarded: false },
  { kind: "put", isForwarded: true },
  { kind: "get", isForwarded: false },
  { kind: "get", isForwarded: true },
];
/** Steps that a call does not wait for may come after those that it does. */
const isWaitedFor = ({ isBeside }: { readonly isBeside?: boolean }) => isBeside !== true;

test("every stop of a lone call is told, in the order in which they wait for each other", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, flags: ["--record-stops=200000"] });
  const stops = new NodeStops(new Map(cluster.ids.map((id) => [id, cluster.metricsAddress(id)])));
  const caller = new LoneCaller(cluster);
  try {
    for (const kind of KINDS) await follow(kind, caller, stops);
  } finally {
    caller.close();
  }
});

/** A call may take another way while leaderships move: then the next one is looked at. */
async function follow(kind: CallKind, caller: LoneCaller, stops: NodeStops): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    await stops.take();
    const { calls: [call] } = await caller.run(kind, 1);
    const followed = call === undefined ? undefined : journeyOf(call, await stops.take());
    if (followed !== undefined && followed.missing === undefined) return inOrder(kind, followed.journey);
    if (performance.now() > untilMs) {
      throw new Error(`No ${kind.kind} can be followed: ${followed?.missing?.label ?? "none is answered"}`);
    }
  }
}

function inOrder(kind: CallKind, journey: ReadonlyMap<string, number>): void {
  const times = stepsOf(kind).filter(isWaitedFor).map(({ key }) => journey.get(key)!);
  // What processes read of the machine's clock at their start differs by microseconds.
  times.slice(1).forEach((ms, at) => assert.ok(ms >= times[at]! - 1, `${kind.kind}: ${times}`));
}

test("a node that is not asked records nothing and has no such page", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1 });
  const response = await fetch(`${cluster.metricsAddress(1)}/stops`);
  assert.is(response.status, 404);
  await response.body?.cancel();
});

test.run();
