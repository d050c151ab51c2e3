/**
 * A disk that is full when memtables are to be written and tables to be merged: the node says so, goes on
 * reading, and does what was left undone when there is room; nothing that was acknowledged is lost, also of
 * a node that is killed while its disk is full.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { figuresOf, filesBelow } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { SmallDisk } from "../support/disk/small_disk.ts";
import { RowLoad } from "../support/load/row_load.ts";
import { eventually, pause, until } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const DISK_BYTES = 24 * MEBIBYTE;
const VALUE_BYTES = 1024;
const ROWS_MAX = 6_000;
/** So much that tables are merged before the disk is full. */
const ROWS_BEFORE = 9_000;
/** More than the logs keep in memory for a follower. */
const AWAY_ROWS = 14_000;
const FILLS_MAX = 30;
/** Longer than a pause between two attempts. */
const FULL_MS = 4_000;
const FLAGS = [
  `--memory-bytes=${64 * MEBIBYTE}`,
  `--wal-segment-bytes=${MEBIBYTE}`,
  `--memtable-bytes=${MEBIBYTE}`,
];

const test = suite("full disk of a state");

test("a node that cannot flush says so, reads on, and flushes when there is room", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: 2,
    dataRoot: disk.folder,
    flags: FLAGS,
  });
  await using load = await openLoad(cluster);
  await load.write(ROWS_BEFORE);
  load.startWriting(0);
  await fillUntilNothingIsFlushed({ disk, cluster, load });
  assert.equal(await untornAt(cluster, load), []);
  const told = await (await fetch(`${cluster.metricsAddress(1)}/readyz?verbose`)).text();
  assert.match(told, /^stateFiles: Cannot write .*\.table/m);
  const { flushes } = await counts(cluster);
  await disk.makeRoom();
  await eventually(async () => assert.ok((await counts(cluster)).flushes > flushes + 2, "it flushes again"));
  await load.stopWriting();
  await cluster.waitReady();
  await eventually(async () => {
    const figures = await figuresOf(cluster, 1);
    assert.is(figures("prkdb_trouble"), 0);
    assert.ok(figures("prkdb_wal_segments") <= 4, `${figures("prkdb_wal_segments")} segments`);
  });
  assert.equal(await load.wrongAt(cluster.address(1)), []);
  await cluster.restart(1);
  await cluster.waitReady();
  assert.equal(await load.wrongAt(cluster.address(1)), []);
});

test("a node that is killed on a full disk starts on it, and has everything", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: 2,
    dataRoot: disk.folder,
    flags: FLAGS,
  });
  await using load = await openLoad(cluster);
  await load.write(ROWS_BEFORE);
  await disk.fill(directoriesOf(cluster.dataDirectory(1)));
  load.startWriting(0);
  await until(() => load.repeats > 0, "puts are refused");
  await cluster.kill(1, "SIGKILL");
  // A start removes what it finds half done.
  if (!disk.isMounted) await disk.makeRoom();
  await cluster.restart(1);
  assert.equal(await eventually(() => untornAt(cluster, load)), []);
  if (disk.isMounted) await disk.makeRoom();
  await load.stopWriting();
  await cluster.waitReady();
  assert.equal(await load.wrongAt(cluster.address(1)), []);
});

test("of three nodes one has a full disk, and then room again: all end up with everything", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3, flags: FLAGS });
  await using load = await openLoad(cluster);
  await load.write(ROWS_BEFORE / 3);
  await moveTo(disk, cluster, 3);
  await cluster.waitReady();
  await load.write(ROWS_BEFORE / 3);
  load.startWriting(10);
  await disk.fill(directoriesOf(cluster.dataDirectory(3)));
  await eventually(async () => {
    const figures = await figuresOf(cluster, 3);
    assert.ok(figures("prkdb_trouble", "state_files") + figures("prkdb_trouble", "next_segment") > 0);
  });
  await pause(FULL_MS);
  await disk.makeRoom();
  await cluster.waitReady();
  await load.stopWriting();
  console.log(`full disk of a state: ${load.written} rows written, ${load.repeats} batches repeated`);
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), []);
});

test("a node without room for the snapshots that it needs gets them when there is room", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 3, flags: FLAGS });
  await using load = await openLoad(cluster);
  await load.write(ROWS_BEFORE / 3);
  await moveTo(disk, cluster, 3);
  await cluster.waitReady();
  await cluster.kill(3, "SIGTERM");
  await load.write(AWAY_ROWS);
  await disk.fill(directoriesOf(cluster.dataDirectory(3)));
  await cluster.restart(3);
  await eventually(async () => {
    const figures = await figuresOf(cluster, 3);
    assert.ok(figures("prkdb_snapshots_failed_total") > 0, "there is no room for it");
  });
  assert.is((await figuresOf(cluster, 3))("prkdb_snapshots_installed_total"), 0);
  await disk.makeRoom();
  await cluster.waitReady();
  await eventually(async () => {
    const figures = await figuresOf(cluster, 3);
    assert.ok(figures("prkdb_snapshots_installed_total") >= 3, "all three come");
    assert.is(figures("prkdb_trouble"), 0);
  });
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), []);
  // Nothing is left of attempts: as much as the others have, but for what waits to be merged.
  await eventually(() => {
    const [own, other] = [3, 1].map((id) => filesBelow(cluster.dataDirectory(id)).bytes) as [number, number];
    assert.ok(own < other + 8 * MEBIBYTE, `${own} bytes beside ${other}`);
    return Promise.resolve();
  });
});

/** What is there when a disk is filled. */
interface Filling {
  readonly disk: SmallDisk;
  readonly cluster: ProcessCluster;
  readonly load: RowLoad;
}

/** The log may be full before there is enough to flush: then there is room for a moment, and none again. */
async function fillUntilNothingIsFlushed({ disk, cluster, load }: Filling): Promise<void> {
  for (let tries = 0; tries < FILLS_MAX; tries++) {
    await disk.fill(directoriesOf(cluster.dataDirectory(1)));
    const { repeats } = load;
    await until(() => load.repeats > repeats + 2, "puts are refused");
    if ((await figuresOf(cluster, 1))("prkdb_trouble", "state_files") === 1) return;
    await disk.makeRoom();
    await eventually(async () => assert.is((await figuresOf(cluster, 1))("prkdb_trouble"), 0));
  }
  throw new Error(`The log was full before anything had to be flushed, ${FILLS_MAX} times`);
}

function openLoad(cluster: ProcessCluster): Promise<RowLoad> {
  return RowLoad.open({ addresses: cluster.addresses(), valueBytes: VALUE_BYTES, rowsMax: ROWS_MAX });
}

/** Those in which a node makes files while it runs. */
function directoriesOf(dataDirectory: string): readonly string[] {
  const state = `${dataDirectory}/state`;
  return [`${dataDirectory}/wal`, ...[...Deno.readDirSync(state)].map(({ name }) => `${state}/${name}`)];
}

/** Rows that are just being written may hold either value: those are left out. */
async function untornAt(cluster: ProcessCluster, load: RowLoad): Promise<readonly string[]> {
  return await load.wrongAt(cluster.address(1), { isWritten: true });
}

async function counts(cluster: ProcessCluster): Promise<{ readonly flushes: number }> {
  return { flushes: (await figuresOf(cluster, 1))("prkdb_store_flushes_total") };
}

/** The directory of a node, with all that is in it. */
async function moveTo(disk: SmallDisk, cluster: ProcessCluster, id: number): Promise<void> {
  await cluster.kill(id, "SIGKILL");
  const [from, to] = [cluster.dataDirectory(id), `${disk.folder}/node-${id}`];
  const copied = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  assert.ok(copied.success, new TextDecoder().decode(copied.stderr));
  await Deno.remove(from, { recursive: true });
  await Deno.symlink(to, from);
  await cluster.restart(id);
}

test.run();
