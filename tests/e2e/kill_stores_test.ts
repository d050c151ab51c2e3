/**
 * Kill −9 in the middle of flushes, merges and snapshots: nodes with budgets so small that one of them is
 * always under way, under a load that overwrites. Everything acknowledged is read back from every node, and
 * no read on the way goes back in time. `PRKDB_TEST_STORE_KILLS` makes it longer.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { figuresOf } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RegisterLoad } from "../support/load/register_load.ts";
import { RowLoad } from "../support/load/row_load.ts";
import { eventually, pause, until } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";

const MEBIBYTE = 1024 * 1024;
const KILLS = Number(Deno.env.get("PRKDB_TEST_STORE_KILLS") ?? 12);
const ROUNDS_OF_ALL = 4;
const PARTITIONS = 3;
const VALUE_BYTES = 1024;
const ROWS_MAX = 8_000;
/** More than the logs keep in memory for a follower: who was away meanwhile needs snapshots. */
const AWAY_ROWS = 9_000;
/** Some flushes. */
const ROUND_ROWS = 3_000;
/** A node is killed up to so long after its start. */
const LIFE_MS_MAX = 2_500;
const READS_MIN = 50;
const LIMIT_MS = 600_000 + KILLS * 60_000;
const FLAGS = [
  "--election-timeout-ms=500",
  "--heartbeat-ms=50",
  `--memory-bytes=${64 * MEBIBYTE}`,
  `--log-memory-bytes=${8 * MEBIBYTE}`,
  `--wal-segment-bytes=${MEBIBYTE}`,
  `--memtable-bytes=${MEBIBYTE}`,
];

const test = suite("kill -9 of stores");

test(`everything is read back after ${KILLS} kills amid flushes, merges and snapshots`, async () => {
  const random = drawnRandom("kill -9 of stores, one node");
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using load = await openLoad(cluster);
  await using registers = await RegisterLoad.start({
    addresses: cluster.addresses(),
    registers: PARTITIONS,
    readers: 2,
    random,
  });
  load.startWriting(0);
  const seen = { flushes: 0, merges: 0, installed: 0, midway: 0 };
  for (let kills = 0; kills < KILLS; kills++) {
    const victim = kills % 2 === 0 ? await cluster.leaderOf(0) : random.pick(cluster.ids);
    await cluster.kill(victim, "SIGKILL");
    // Every third time it is away for so long that the others cannot feed it from their logs.
    await writesGoOn(load, kills % 3 === 2 ? AWAY_ROWS : 500);
    await cluster.restart(victim);
    await pause(random.below(LIFE_MS_MAX));
    const figures = await figuresOf(cluster, victim);
    seen.flushes += figures("prkdb_store_flushes_total");
    seen.merges += figures("prkdb_store_compactions_total");
    seen.installed += figures("prkdb_snapshots_installed_total");
    if (figures("prkdb_snapshots_receiving") > 0) seen.midway++;
  }
  await cluster.waitReady();
  await load.stopWriting();
  await until(() => registers.reads >= READS_MIN, "registers are read");
  await registers.stop();
  assert.equal(registers.violations, []);
  console.log(
    `kills of stores: ${load.written} rows written, ${load.repeats} batches repeated; in the lives of victims ` +
      `${seen.flushes} flushes, ${seen.merges} merges, ${seen.installed} snapshots, ${seen.midway} on their way`,
  );
  assert.ok(seen.flushes > 0 && seen.installed > 0, "there was something to kill");
  await hasAll(cluster, load);
}, { limitMs: LIMIT_MS });

test("everything is read back after all nodes are killed at once amid flushes and merges", async () => {
  const random = drawnRandom("kill -9 of stores, all nodes");
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  await using load = await openLoad(cluster);
  load.startWriting(0);
  for (let round = 0; round < ROUNDS_OF_ALL; round++) {
    await writesGoOn(load, ROUND_ROWS + random.below(1_000));
    await cluster.killAll("SIGKILL");
    await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
    await cluster.waitReady();
  }
  await load.stopWriting();
  console.log(`kills of stores: ${load.written} rows written, ${load.repeats} batches repeated`);
  await hasAll(cluster, load);
});

function openLoad(cluster: ProcessCluster): Promise<RowLoad> {
  return RowLoad.open({ addresses: cluster.addresses(), valueBytes: VALUE_BYTES, rowsMax: ROWS_MAX });
}

async function writesGoOn(load: RowLoad, rows: number): Promise<void> {
  const wanted = load.written + rows;
  await until(() => load.written >= wanted, () => `${wanted} rows are written: ${load.written} are`);
}

/** And again from the disk. */
async function hasAll(cluster: ProcessCluster, load: RowLoad): Promise<void> {
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), [], `node ${id}`);
  await cluster.killAll("SIGKILL");
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
  await cluster.waitReady();
  for (const id of cluster.ids) {
    assert.equal(await eventually(() => load.wrongAt(cluster.address(id))), [], `node ${id}`);
  }
}

test.run();
