/**
 * Stopping cleanly, with SIGTERM and with SIGINT: exit code 0, leaderships handed over so that nobody waits
 * for an election, no failed call for a client that retries, and all data there afterwards.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";
import { eventually, PATIENCE_MS, pause, until } from "../support/patience.ts";

/** So long that an election cannot be mistaken for a hand-over, however busy the machine is. */
const ELECTION_TIMEOUT_MS = 20_000;
/** No election begins so soon after a leader was heard. */
const HAND_OVER_MAX_MS = 0.9 * ELECTION_TIMEOUT_MS;
const WRITERS = 6;
/** What must have been called when the restarts are over, so that there was something to lose. */
const WRITES_MIN = 300;
const READS_MIN = 60;

const test = suite("clean stop");

test("leaderships are handed over before a node ends", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 3,
    partitions: 6,
    flags: [`--election-timeout-ms=${ELECTION_TIMEOUT_MS}`],
  });
  for (const [id, signal] of [[1, "SIGTERM"], [2, "SIGINT"]] as const) {
    const startedMs = performance.now();
    const status = await cluster.kill(id, signal);
    assert.is(status?.code, 0, cluster.output(id));
    const other = id + 1;
    for (;;) {
      const { partitions } = await cluster.metadata(other);
      const orphans = partitions.filter(({ leaderId }) => leaderId === id || leaderId === 0);
      const elapsedMs = performance.now() - startedMs;
      if (orphans.length === 0) break;
      assert.ok(
        elapsedMs < HAND_OVER_MAX_MS,
        `${orphans.length} partitions without a leader after ${elapsedMs} ms`,
      );
      await pause(20);
    }
    await cluster.restart(id);
    await cluster.waitReady();
  }
});

test("a node that is to stop says so while it still serves", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, flags: ["--drain-ms=3000"] });
  await using client = await PrkDbClient.connect(cluster.addresses());
  const ending = cluster.kill(1, "SIGTERM");
  const readyz = async () => (await fetch(`${cluster.metricsAddress(1)}/readyz`)).status;
  await eventually(async () => assert.is(await readyz(), 503));
  await client.put("late", "but in time");
  assert.is(await client.getText("late"), "but in time");
  assert.is((await ending)?.code, 0, cluster.output(1));
});

test("leaders are even again after a killed node has come back", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 9 });
  await cluster.kill(2, "SIGKILL");
  for (let partition = 0; partition < 9; partition++) assert.is.not(await cluster.leaderOf(partition), 2);
  await cluster.restart(2);
  const returnedMs = performance.now();
  await eventually(async () => {
    const { partitions } = await cluster.metadata();
    const uneven = partitions.filter(({ leaderId, replicas }) => leaderId !== replicas[0]);
    assert.equal(uneven.map(({ partitionId }) => partitionId), []);
  });
  const elapsedMs = performance.now() - returnedMs;
  console.log(`leaders are even ${elapsedMs.toFixed(0)} ms after the node's return`);
});

test("a rolling restart under load fails no call and loses nothing", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using reader = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  await reader.put("constant", "value");
  let isReading = true;
  let reads = 0;
  const reading = (async () => {
    for (; isReading; reads++) assert.is(await reader.getText("constant"), "value");
  })();
  for (const [id, signal] of [[1, "SIGTERM"], [2, "SIGINT"], [3, "SIGTERM"]] as const) {
    await pause(300);
    const status = await cluster.kill(id, signal);
    assert.is(status?.code, 0, cluster.output(id));
    await cluster.restart(id);
    await cluster.waitReady();
  }
  await until(
    () => load.acknowledged.size >= WRITES_MIN && reads >= READS_MIN,
    () => `there is enough to judge: ${load.acknowledged.size} writes, ${reads} reads`,
  );
  isReading = false;
  await reading;
  const gapMs = load.takeLongestGapMs();
  await load.stop();
  assert.equal(load.failures, []);
  for (const id of cluster.ids) assert.equal(await missingAt(cluster.address(id), load.acknowledged), []);
  const writes = load.acknowledged.size;
  console.log(
    `rolling restart: ${writes} writes, ${reads} reads, longest gap ${gapMs.toFixed(0)} ms, none failed`,
  );
});

test("a node alone stops under load and keeps what it acknowledged", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1 });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const keyOf = ({ writer, number }: { writer: number; number: number }) => `${signal}-${writer}-${number}`;
    await using load = await WriteLoad.start({
      addresses: cluster.addresses(),
      writers: WRITERS,
      keyOf,
      timeoutMs: 1_000,
    });
    await until(() => load.acknowledged.size > 0, "there is something to lose");
    await pause(500);
    const startedMs = performance.now();
    const status = await cluster.kill(1, signal);
    console.log(`a node alone stops in ${(performance.now() - startedMs).toFixed(0)} ms`);
    assert.is(status?.code, 0, cluster.output(1));
    await load.stop();
    await cluster.restart(1);
    await cluster.waitReady();
    assert.equal(await missingAt(cluster.address(1), load.acknowledged), []);
  }
});

test("a second signal while stopping changes nothing", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  const process = cluster.process(1);
  process.signal("SIGTERM");
  process.signal("SIGINT");
  process.signal("SIGTERM");
  assert.is((await process.ended).code, 0, cluster.output(1));
});

test.run();
