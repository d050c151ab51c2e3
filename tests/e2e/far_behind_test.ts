/**
 * A node that was away while others wrote far more than they keep of their logs in memory: it is fed by
 * snapshots, catches up though they write on, and has everything; also if it is killed again and again while
 * the snapshots come. `PRKDB_TEST_BEHIND_MEBIBYTES` leaves it further behind.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { figuresOf, type NodeFigures } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RowLoad } from "../support/load/row_load.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const VALUE_BYTES = 1024;
const BEHIND_BYTES = Number(Deno.env.get("PRKDB_TEST_BEHIND_MEBIBYTES") ?? 24) * MEBIBYTE;
/** Rows are overwritten, too: what is sent is what is there, not what was written. */
const ROWS_MAX = Math.ceil(BEHIND_BYTES / VALUE_BYTES * 2 / 3);
const PARTITIONS = 3;
/** Between batches of those who write on: about a megabyte a second. */
const WRITE_PAUSE_MS = 50;
const KILLS = 4;
const POLL_MS = 2;
/** So much is kept in memory of all logs together: 3.5 MiB, and twice that for followers within reach. */
const FLAGS = [
  `--memory-bytes=${64 * MEBIBYTE}`,
  `--wal-segment-bytes=${MEBIBYTE}`,
  `--memtable-bytes=${MEBIBYTE}`,
];
const LIMIT_MS = 600_000 + (BEHIND_BYTES / MEBIBYTE) * 5_000;

const test = suite("far behind");

test("a node that is far behind catches up by snapshots, while the others are written to", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using load = await openLoad(cluster);
  await fallBehind(cluster, load);
  load.startWriting(WRITE_PAUSE_MS);
  const startedMs = performance.now();
  await cluster.restart(3);
  await untilCaughtUp(cluster);
  const seconds = (performance.now() - startedMs) / 1000;
  const figures = await figuresOf(cluster, 3);
  const installed = figures("prkdb_snapshots_installed_total");
  const receivedBytes = figures("prkdb_snapshots_received_bytes_total");
  console.log(
    `far behind: ${mebibytes(BEHIND_BYTES)} MiB behind, caught up after ${seconds.toFixed(1)} s with ` +
      `${installed} snapshots of ${mebibytes(receivedBytes)} MiB`,
  );
  assert.ok(installed >= PARTITIONS, `${installed} snapshots`);
  assert.ok(receivedBytes > 0);
  assert.ok(sentBy(await Promise.all([1, 2].map((id) => figuresOf(cluster, id)))) >= installed);
  // It goes on with entries: what is written meanwhile reaches it, too.
  await untilCaughtUp(cluster);
  await load.stopWriting();
  await hasAll(cluster, load);
}, { limitMs: LIMIT_MS });

test(`a node that is killed ${KILLS} times while snapshots come has everything in the end`, async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using load = await openLoad(cluster);
  await fallBehind(cluster, load);
  load.startWriting(WRITE_PAUSE_MS);
  let killedMidway = 0;
  for (let tries = 0; killedMidway < KILLS && tries < 4 * KILLS; tries++) {
    await cluster.restart(3);
    const isMidway = await untilReceiving(cluster);
    await cluster.kill(3, "SIGKILL");
    if (isMidway) killedMidway++;
    // It was too fast: behind again.
    else await load.write(BEHIND_BYTES / VALUE_BYTES / 2);
  }
  await cluster.restart(3);
  await untilCaughtUp(cluster);
  await load.stopWriting();
  console.log(`far behind: killed ${killedMidway} times while a snapshot came`);
  assert.ok(killedMidway > 0, "it was killed while it received");
  await hasAll(cluster, load);
}, { limitMs: LIMIT_MS });

function openLoad(cluster: ProcessCluster): Promise<RowLoad> {
  return RowLoad.open({ addresses: cluster.addresses(), valueBytes: VALUE_BYTES, rowsMax: ROWS_MAX });
}

/** Node 3 has something, and lacks far more than that. */
async function fallBehind(cluster: ProcessCluster, load: RowLoad): Promise<void> {
  await load.write(1_000);
  await cluster.kill(3, "SIGKILL");
  await load.write(BEHIND_BYTES / VALUE_BYTES);
}

/** When node 3 has applied all that was committed when this was called. */
async function untilCaughtUp(cluster: ProcessCluster): Promise<void> {
  const known = await Promise.all([1, 2].map((id) => figuresOf(cluster, id)));
  const wanted = partitionLabels().map((label) =>
    Math.max(...known.map((figures) => figures("prkdb_raft_commit_index", label)))
  );
  await eventually(async () => {
    const figures = await figuresOf(cluster, 3);
    const applied = partitionLabels().map((label) => figures("prkdb_raft_applied_index", label));
    assert.ok(applied.every((index, at) => index >= wanted[at]!), `applied ${applied} of ${wanted}`);
  });
}

/** @returns whether a snapshot is on its way to node 3; not if all have come before that was seen */
async function untilReceiving(cluster: ProcessCluster): Promise<boolean> {
  const untilMs = performance.now() + PATIENCE_MS;
  while (performance.now() < untilMs) {
    const figures = await figuresOf(cluster, 3);
    const isUnderWay = figures("prkdb_snapshots_receiving") > 0;
    if (isUnderWay && figures("prkdb_snapshots_received_bytes_total") > 0) return true;
    if (figures("prkdb_snapshots_installed_total") >= PARTITIONS) return false;
    await pause(POLL_MS);
  }
  throw new Error("Node 3 does not ask for a snapshot");
}

/** Through every node, and then from node 3 without one of the others. */
async function hasAll(cluster: ProcessCluster, load: RowLoad): Promise<void> {
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), []);
  await cluster.kill(1, "SIGKILL");
  await cluster.waitReady();
  assert.equal(await load.wrongAt(cluster.address(3)), []);
}

function sentBy(nodes: readonly NodeFigures[]): number {
  return nodes.reduce((sum, figures) => sum + figures("prkdb_snapshots_sent_total"), 0);
}

function partitionLabels(): readonly string[] {
  return Array.from({ length: PARTITIONS }, (_, at) => `partition="${at}"`);
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

test.run();
