/**
 * Stopping cleanly, with SIGTERM and with SIGINT: exit code 0, leaderships handed over so that nobody waits
 * for an election, no failed call for a client that retries, and all data there afterwards.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster, sleep } from "../support/cluster/process_cluster.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";

/** So long that an election cannot be mistaken for a hand-over. */
const ELECTION_TIMEOUT_MS = 8_000;
const HAND_OVER_MAX_MS = 4_000;
const BALANCE_MAX_MS = 30_000;
const WRITERS = 6;
/** Far below what a slow machine does in three restarts; an idle run has none. */
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
      await sleep(20);
    }
    await cluster.restart(id);
    await cluster.waitReady();
  }
}, { limitMs: 120_000 });

test("leaders are even again soon after a killed node has come back", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 9 });
  await cluster.kill(2, "SIGKILL");
  for (let partition = 0; partition < 9; partition++) assert.is.not(await cluster.leaderOf(partition), 2);
  await cluster.restart(2);
  const returnedMs = performance.now();
  for (;;) {
    const { partitions } = await cluster.metadata();
    const elapsedMs = performance.now() - returnedMs;
    if (partitions.every(({ leaderId, replicas }) => leaderId === replicas[0])) {
      console.log(`leaders are even ${elapsedMs.toFixed(0)} ms after the node's return`);
      return;
    }
    assert.ok(elapsedMs < BALANCE_MAX_MS, `leaders are uneven after ${elapsedMs} ms`);
    await sleep(50);
  }
}, { limitMs: 120_000 });

test("a rolling restart under load fails no call and loses nothing", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6 });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using reader = await PrkDbClient.connect(cluster.addresses());
  await reader.put("constant", "value");
  let isReading = true;
  let reads = 0;
  const reading = (async () => {
    for (; isReading; reads++) assert.is(await reader.getText("constant"), "value");
  })();
  for (const [id, signal] of [[1, "SIGTERM"], [2, "SIGINT"], [3, "SIGTERM"]] as const) {
    await sleep(300);
    const status = await cluster.kill(id, signal);
    assert.is(status?.code, 0, cluster.output(id));
    await cluster.restart(id);
    await cluster.waitReady();
  }
  await sleep(300);
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
  assert.ok(writes >= WRITES_MIN && reads >= READS_MIN, `only ${writes} writes and ${reads} reads`);
}, { limitMs: 120_000 });

test("a node alone stops under load within seconds and keeps what it acknowledged", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1 });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const keyOf = ({ writer, number }: { writer: number; number: number }) => `${signal}-${writer}-${number}`;
    await using load = await WriteLoad.start({
      addresses: cluster.addresses(),
      writers: WRITERS,
      keyOf,
      timeoutMs: 1_000,
    });
    await sleep(500);
    const startedMs = performance.now();
    const status = await cluster.kill(1, signal);
    const elapsedMs = performance.now() - startedMs;
    assert.is(status?.code, 0, cluster.output(1));
    assert.ok(elapsedMs < 10_000, `it took ${elapsedMs} ms to stop`);
    await load.stop();
    assert.ok(load.acknowledged.size > 0);
    await cluster.restart(1);
    await cluster.waitReady();
    assert.equal(await missingAt(cluster.address(1), load.acknowledged), []);
  }
}, { limitMs: 60_000 });

test("a second signal while stopping changes nothing", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3 });
  const process = cluster.process(1);
  process.signal("SIGTERM");
  process.signal("SIGINT");
  process.signal("SIGTERM");
  assert.is((await process.ended).code, 0, cluster.output(1));
});

test.run();
