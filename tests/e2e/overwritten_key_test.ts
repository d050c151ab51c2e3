/**
 * One key, overwritten over and over: the log stays at a few segments, the tables at a few times what is not
 * flushed yet, memory level, and a restart reads no more than that. `PRKDB_TEST_OVERWRITES` makes it longer.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { figuresOf, filesBelow } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const SEGMENT_BYTES = MEBIBYTE;
const MEMTABLE_BYTES = MEBIBYTE;
/** Those that are kept, and the one that is written while the oldest is let go of. */
const SEGMENTS_MAX = 4;
const SPARES_MAX = 2;
/** Four tables of level 0 are merged, and there may be as many again meanwhile. */
const TABLES_BYTES_MAX = 12 * MEMTABLE_BYTES;
const VALUE_BYTES = 1024;
/** Of 1 KiB, ten times what the log may hold on disk. */
const OVERWRITES = Number(Deno.env.get("PRKDB_TEST_OVERWRITES") ?? 40_000);
const PUTS_AT_ONCE = 200;
const ROUNDS = 4;
/** Between the end of the first round and that of the last one; V8 grows for some minutes, then no more. */
const GROWTH_MAX_BYTES = 160 * MEBIBYTE;
const FLAGS = [
  `--memory-bytes=${64 * MEBIBYTE}`,
  `--wal-segment-bytes=${SEGMENT_BYTES}`,
  `--memtable-bytes=${MEMTABLE_BYTES}`,
];

const test = suite("overwritten key");

for (const nodes of [1, 3]) {
  test(`one key overwritten many times on ${nodes} nodes: disk, memory and restart stay bounded`, async () => {
    await using cluster = await ProcessCluster.start({ nodes, partitions: 3, flags: FLAGS });
    await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
    const resident: number[] = [];
    let count = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      while (count < OVERWRITES / nodes * round / ROUNDS) {
        const puts = Array.from({ length: PUTS_AT_ONCE }, () => client.put("one key", valueOf(++count)));
        await Promise.all(puts);
      }
      resident.push(Math.max(...cluster.ids.map((id) => cluster.process(id).residentBytes)));
    }
    for (const id of cluster.ids) await mustBeSmall(cluster, id);
    const growth = mebibytes(resident.at(-1)! - resident[0]!);
    assert.ok(resident.at(-1)! - resident[0]! < GROWTH_MAX_BYTES, `memory grows by ${growth} MiB`);
    await cluster.killAll("SIGKILL");
    const startedMs = performance.now();
    await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
    await cluster.waitReady();
    const seconds = (performance.now() - startedMs) / 1000;
    console.log(
      `overwritten key: ${nodes} nodes, ${count} overwrites; memory grows by ${growth} MiB between the first ` +
        `quarter and the last; ready ${seconds.toFixed(1)} s after the kill of all`,
    );
    const value = await eventually(() => client.getText("one key"));
    assert.is(value, valueOf(count));
    for (const id of cluster.ids) await mustBeSmall(cluster, id);
  });
}

/** The last put of those that are made at once need not be the last to take effect: they have one value. */
function valueOf(count: number): string {
  return `value ${Math.ceil(count / PUTS_AT_ONCE)}`.padEnd(VALUE_BYTES, "x");
}

/** As soon as what is under way is done. */
function mustBeSmall(cluster: ProcessCluster, id: number): Promise<void> {
  return eventually(async () => {
    const figures = await figuresOf(cluster, id);
    const directory = cluster.dataDirectory(id);
    const segments = figures("prkdb_wal_segments");
    assert.ok(segments <= SEGMENTS_MAX, `node ${id} has ${segments} segments`);
    const log = filesBelow(`${directory}/wal`);
    assert.ok(log.bytes <= (SEGMENTS_MAX + SPARES_MAX) * SEGMENT_BYTES, `its log has ${log.bytes} bytes`);
    const all = filesBelow(directory);
    const tableBytes = all.bytes - log.bytes;
    assert.ok(tableBytes <= TABLES_BYTES_MAX, `and all else ${tableBytes}`);
    console.log(
      `overwritten key: node ${id}: ${segments} segments, files of the log ${
        mebibytes(log.bytes)
      } MiB, all ` +
        `else ${mebibytes(tableBytes)} MiB in ${all.count - log.count} files`,
    );
  });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

test.run();
