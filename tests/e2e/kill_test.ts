/**
 * Every acknowledged write survives kill −9, under load: of one node, fifty times in a row, often the leader;
 * and of all nodes at once. All of them, not most. Nor does any read on the way go back in time, whichever
 * node it asks.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { ProcessCluster, sleep } from "../support/cluster/process_cluster.ts";
import { RegisterLoad } from "../support/load/register_load.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";

const KILLS = Number(Deno.env.get("PRKDB_TEST_KILLS") ?? 50);
const ROUNDS_OF_ALL = 4;
const WRITERS = 6;
const REGISTERS = { registers: 3, readers: 4 };
const READS_MIN = 50;
/** Far below what the slowest machine writes between two kills; an idle run has none. */
const WRITES_PER_KILL_MIN = 5;
/**
 * Elections in half the usual time, so that fifty kills fit; still many times the pause of a busy machine.
 */
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];

const test = suite("kill -9");

test("every acknowledged write is read back after fifty kills in a row", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6, flags: FLAGS });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using registers = await RegisterLoad.start({ addresses: cluster.addresses(), ...REGISTERS });
  for (let kills = 0; kills < KILLS; kills++) {
    await writesGoOn(load);
    // Every other time whoever leads partition 0, else anyone.
    const victim = kills % 2 === 0 ? await cluster.leaderOf(0) : 1 + Math.floor(Math.random() * 3);
    await cluster.kill(victim, "SIGKILL");
    await cluster.restart(victim);
  }
  await cluster.waitReady();
  await Promise.all([load.stop(), registers.stop()]);
  assert.equal(registers.violations, []);
  await assertAllThere(cluster, load);
  report("fifty kills", { load, registers });
  assert.ok(load.acknowledged.size >= KILLS * WRITES_PER_KILL_MIN, `only ${load.acknowledged.size} writes`);
}, { limitMs: 270_000 });

test("every acknowledged write is read back after all nodes are killed at once", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6, flags: FLAGS });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using registers = await RegisterLoad.start({ addresses: cluster.addresses(), ...REGISTERS });
  for (let round = 0; round < ROUNDS_OF_ALL; round++) {
    await writesGoOn(load);
    await cluster.killAll("SIGKILL");
    assert.equal(cluster.runningIds, []);
    await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
    await cluster.waitReady();
  }
  await writesGoOn(load);
  await Promise.all([load.stop(), registers.stop()]);
  assert.equal(registers.violations, []);
  await assertAllThere(cluster, load);
  report("kills of all", { load, registers });
}, { limitMs: 120_000 });

/** Waits until there was real work to lose. */
async function writesGoOn(load: WriteLoad): Promise<void> {
  const wanted = load.acknowledged.size + WRITES_PER_KILL_MIN * WRITERS;
  const untilMs = performance.now() + 30_000;
  while (load.acknowledged.size < wanted) {
    assert.ok(performance.now() < untilMs, `no writes in 30 s: ${load.failures.at(-1)}`);
    await sleep(10);
  }
}

async function assertAllThere(cluster: ProcessCluster, load: WriteLoad): Promise<void> {
  for (const id of cluster.ids) {
    const missing = await missingAt(cluster.address(id), load.acknowledged);
    assert.equal(missing.slice(0, 5), [], `node ${id} lacks ${missing.length} of ${load.acknowledged.size}`);
  }
}

function report(
  what: string,
  { load, registers }: { readonly load: WriteLoad; readonly registers: RegisterLoad },
): void {
  const { acknowledged, failures } = load;
  console.log(`${what}: ${acknowledged.size} writes acknowledged and read back, ${failures.length} failed`);
  console.log(`${what}: ${registers.writes} overwrites, ${registers.reads} reads, none stale`);
  assert.ok(registers.reads >= READS_MIN, `only ${registers.reads} reads`);
}

test.run();
