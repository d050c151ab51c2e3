/**
 * Every node in turn is told to stop, stops cleanly and comes back, twice over, while many clients call
 * without end: not one of their calls fails, and what they are told is linearizable.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { checkLinearizable, describeVerdict } from "../linearizability/checker.ts";
import { describeOperation } from "../linearizability/history.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { HistoryRecorder } from "../support/load/history.ts";
import { MixedLoad } from "../support/load/mixed_load.ts";
import { until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** The client's own default: what it promises, it promises with that. */
const TIMEOUT_MS = 10_000;
const ROUNDS = 2;
const WORKERS = 8;
const KEYS = Array.from({ length: 10 }, (_, number) => `key-${number}`);
/** Calls that must be answered between two restarts. */
const ANSWERS_PER_RESTART_MIN = 30;

const test = suite("rolling restart");

test("no call of the smart client fails while every node is restarted in turn", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await using client = await PrkDbClient.connect(cluster.addresses());
  const recorder = new HistoryRecorder(() => performance.now());
  const load = MixedLoad.start({
    clients: Array.from({ length: WORKERS }, (_, worker) => recorder.client(worker, client)),
    keys: KEYS,
    random: new SeededRandom(1),
    timeoutMs: TIMEOUT_MS,
    pauseMs: 3,
  });
  for (let restarts = 0; restarts < ROUNDS * cluster.ids.length; restarts++) {
    const id = cluster.ids[restarts % cluster.ids.length]!;
    const wanted = load.answered + ANSWERS_PER_RESTART_MIN;
    await until(() => load.answered >= wanted, "calls are answered between restarts");
    const status = await cluster.kill(id, "SIGTERM");
    assert.is(status?.code, 0, cluster.output(id));
    await cluster.restart(id);
    await cluster.waitReady();
  }
  await load.stop();
  const verdict = checkLinearizable(recorder.history());
  console.log(
    `rolling restart: ${load.answered} answers, ${load.writes} of them writes, slowest ` +
      `${load.slowestMs.toFixed(0)} ms; ${describeVerdict(verdict)}`,
  );
  assert.equal(load.unknown.map(describeOperation), []);
  assert.is(verdict.kind, "linearizable", describeVerdict(verdict));
});

test.run();
