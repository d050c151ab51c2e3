/**
 * More data than a node may hold in memory, several times over: it is taken, read back, and there after a
 * restart, while the node stays as small as it was told. `PRKDB_TEST_DATA_MEBIBYTES` asks for more data.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { figuresOf, filesBelow } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RowLoad } from "../support/load/row_load.ts";

const MEBIBYTE = 1024 * 1024;
const MEMORY_BYTES = 64 * MEBIBYTE;
const VALUE_BYTES = 1024;
/** Ten times what such a node gives to its state. */
const DATA_BYTES = Number(Deno.env.get("PRKDB_TEST_DATA_MEBIBYTES") ?? 100) * MEBIBYTE;
/** Of three nodes, each of which writes all of it. */
const DATA_BYTES_OF_THREE = DATA_BYTES / 2;
const ROUNDS = 4;
/**
 * Of a process, however much data it has: beside what it counts, V8's young generation, rubbish that is not
 * collected yet, and buffers on their way.
 */
const GROWTH_MAX_BYTES = MEMORY_BYTES + 256 * MEBIBYTE;
const LIMIT_MS = 600_000 + (DATA_BYTES / MEBIBYTE) * 2_000;

const test = suite("larger than memory");

test("one node holds many times its memory, and has it all after a restart", async () => {
  await holdsMore({ nodes: 1, bytes: DATA_BYTES });
}, { limitMs: LIMIT_MS });

test("three nodes hold many times their memory, each all of it", async () => {
  await holdsMore({ nodes: 3, bytes: DATA_BYTES_OF_THREE });
}, { limitMs: LIMIT_MS });

async function holdsMore(
  { nodes, bytes }: { readonly nodes: number; readonly bytes: number },
): Promise<void> {
  await using cluster = await ProcessCluster.start({
    nodes,
    partitions: 3,
    flags: [`--memory-bytes=${MEMORY_BYTES}`, `--wal-segment-bytes=${4 * MEBIBYTE}`],
  });
  const emptyBytes = residentOf(cluster);
  await using load = await RowLoad.open({ addresses: cluster.addresses(), valueBytes: VALUE_BYTES });
  const startedMs = performance.now();
  let peakBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await load.write(Math.floor(bytes / VALUE_BYTES / ROUNDS));
    for (const id of cluster.ids) peakBytes = Math.max(peakBytes, await mustKeepBounds(cluster, id));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const growthBytes = residentOf(cluster) - emptyBytes;
  console.log(
    `larger than memory: ${nodes} nodes took ${mebibytes(load.bytes)} MiB in ${seconds.toFixed(1)} s; each ` +
      `counts ${mebibytes(peakBytes)} MiB of state at most and has grown by ${mebibytes(growthBytes)} MiB`,
  );
  assert.ok(growthBytes < GROWTH_MAX_BYTES, `it has grown by ${mebibytes(growthBytes)} MiB`);
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), []);
  await cluster.killAll("SIGKILL");
  const restartedMs = performance.now();
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
  await cluster.waitReady();
  const { count } = filesBelow(cluster.dataDirectory(1));
  const restartSeconds = (performance.now() - restartedMs) / 1000;
  console.log(`larger than memory: ready again after ${restartSeconds.toFixed(1)} s, with ${count} files`);
  for (const id of cluster.ids) assert.equal(await load.wrongAt(cluster.address(id)), []);
}

/** @returns bytes that it counts for its state */
async function mustKeepBounds(cluster: ProcessCluster, id: number): Promise<number> {
  const figures = await figuresOf(cluster, id);
  const stateBytes = figures("prkdb_memory_bytes", 'part="state"');
  const limitBytes = figures("prkdb_memory_limit_bytes", 'part="state"');
  assert.ok(stateBytes <= limitBytes, `${stateBytes} of ${limitBytes} bytes of state`);
  assert.ok(figures("prkdb_store_flushes_total") > 0, "memtables are flushed");
  return stateBytes;
}

/** The largest of the nodes. */
function residentOf(cluster: ProcessCluster): number {
  return Math.max(...cluster.ids.map((id) => cluster.process(id).residentBytes));
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

test.run();
