/**
 * A link that is dead in one direction: everything that one node sends vanishes, while it hears all others.
 * The connections over which it was sent stay dead when the link is sound again, so the side that sends must
 * notice and open new ones. Then the node is of use at once, also when another one dies in that moment.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProxiedCluster } from "../support/cluster/proxied_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const PARTITIONS = 3;
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];
/** So that every stream has lost something, and the others have elected their leaders. */
const CUT_MS = Number(Deno.env.get("PRKDB_TEST_FAULTS_MS") ?? 4_000);

const test = suite("one way");

for (const way of ["mute", "deaf"] as const) {
  test(`a node that was ${way} is of use when the link is sound again`, async () => {
    await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
    const { processes } = cluster;
    const victim = await processes.leaderOf(0);
    await cutOneWay(cluster, { victim, way });
    await pause(CUT_MS);
    await putThrough(cluster, processes.ids.filter((id) => id !== victim));
    // What operators see is what calls through it experience.
    await eventually(async () => assert.match(await readiness(cluster, victim), /no leader|does not answer/));
    cluster.heal();
    const startedMs = performance.now();
    await eventually(() => putThrough(cluster, [victim]));
    console.log(`one way: of use ${Math.round(performance.now() - startedMs)} ms after it was ${way}`);
    await processes.waitReady();
  });
}

test("another node that dies when the link is sound again stops nobody", async () => {
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  const { processes } = cluster;
  const victim = await processes.leaderOf(0);
  await cutOneWay(cluster, { victim, way: "mute" });
  await pause(CUT_MS);
  const rest = processes.ids.filter((id) => id !== victim);
  await putThrough(cluster, rest);
  cluster.heal();
  const startedMs = performance.now();
  await processes.kill(rest[0]!);
  await eventually(() => putThrough(cluster, [victim, rest[1]!]));
  console.log(`one way: two of three write ${Math.round(performance.now() - startedMs)} ms after the death`);
});

test("a node that hears the leaders and does not reach them says so", async () => {
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  const { processes } = cluster;
  const victim = await processes.leaderOf(0);
  // Only its own streams: those of the others are answered.
  for (const to of processes.ids.filter((id) => id !== victim)) {
    cluster.setLink({ from: victim, to, state: "hanging" });
  }
  const reason = /^node \d, which leads .* does not answer what is sent to it/;
  await eventually(async () => assert.match(await readiness(cluster, victim), reason));
  cluster.heal();
  await processes.waitReady();
});

interface OneWayCut {
  readonly victim: number;
  readonly way: "mute" | "deaf";
}

async function cutOneWay(cluster: ProxiedCluster, { victim, way }: OneWayCut): Promise<void> {
  await putThrough(cluster, cluster.processes.ids);
  for (const other of cluster.processes.ids.filter((id) => id !== victim)) {
    cluster.drop(way === "mute" ? { from: victim, to: other } : { from: other, to: victim });
  }
}

/** A write to each partition through each of `ids`; some must be passed on to the leader. */
async function putThrough({ processes }: ProxiedCluster, ids: readonly number[]): Promise<void> {
  const keys = Array.from({ length: PARTITIONS * 4 }, (_, at) => new TextEncoder().encode(`key ${at}`));
  await Promise.all(
    ids.flatMap((id) =>
      keys.map((key) =>
        eventually(() =>
          callNode(processes.address(id), KvService.method.put, {
            input: { key, value: key },
            timeoutMs: ATTEMPT_MS,
          })
        )
      )
    ),
  );
}

/** A call that waits for a stream that is given up is answered then. */
const ATTEMPT_MS = Math.min(2_000, PATIENCE_MS);

async function readiness({ processes }: ProxiedCluster, id: number): Promise<string> {
  const response = await fetch(`${processes.metricsAddress(id)}/readyz`);
  const text = await response.text();
  return response.ok ? "ready" : text;
}

test.run();
