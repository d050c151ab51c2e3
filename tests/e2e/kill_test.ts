/**
 * Every acknowledged write survives kill −9, under load: of one node, fifty times in a row, often the leader;
 * and of all nodes at once. All of them, not most. Nor does any read on the way go back in time, whichever
 * node it asks.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RegisterLoad } from "../support/load/register_load.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";
import { until } from "../support/patience.ts";
import { drawnRandom, type SeededRandom } from "../support/seeded_random.ts";

const KILLS = Number(Deno.env.get("PRKDB_TEST_KILLS") ?? 50);
const ROUNDS_OF_ALL = 4;
const WRITERS = 6;
const REGISTERS = 3;
const READERS = 4;
const READS_MIN = 50;
/** Writes of each writer that must be acknowledged between two kills. */
const WRITES_PER_KILL_MIN = 5;
/** Many times what a kill takes, with all that is waited for. */
const LIMIT_MS = KILLS * 60_000;
/** Elections in half the usual time, so that fifty kills take a minute. */
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];

const test = suite("kill -9");

test(`every acknowledged write is read back after ${KILLS} kills in a row`, async () => {
  const random = drawnRandom("kill -9, one node");
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6, flags: FLAGS });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using registers = await startRegisters(cluster, random);
  const victims: number[] = [];
  for (let kills = 0; kills < KILLS; kills++) {
    await writesGoOn(load);
    // Every other time the leader of partition 0, else any node.
    const victim = kills % 2 === 0 ? await cluster.leaderOf(0) : random.pick(cluster.ids);
    victims.push(victim);
    await cluster.kill(victim, "SIGKILL");
    await cluster.restart(victim);
  }
  await cluster.waitReady();
  console.log(`killed: nodes ${victims.join(" ")}`);
  await stop({ load, registers });
  await assertAllThere(cluster, load);
  report("kills of one", { load, registers });
}, { limitMs: LIMIT_MS });

test("every acknowledged write is read back after all nodes are killed at once", async () => {
  const random = drawnRandom("kill -9, all nodes");
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 6, flags: FLAGS });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  await using registers = await startRegisters(cluster, random);
  for (let round = 0; round < ROUNDS_OF_ALL; round++) {
    await writesGoOn(load);
    await cluster.killAll("SIGKILL");
    assert.equal(cluster.runningIds, []);
    await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
    await cluster.waitReady();
  }
  await writesGoOn(load);
  await stop({ load, registers });
  await assertAllThere(cluster, load);
  report("kills of all", { load, registers });
});

/** What runs beside the kills. */
interface Loads {
  readonly load: WriteLoad;
  readonly registers: RegisterLoad;
}

/** Waits until there was real work to lose. */
async function writesGoOn(load: WriteLoad): Promise<void> {
  const wanted = load.acknowledged.size + WRITES_PER_KILL_MIN * WRITERS;
  await until(() => load.acknowledged.size >= wanted, () => `writes go on: ${load.failures.at(-1)}`);
}

function startRegisters(cluster: ProcessCluster, random: SeededRandom): Promise<RegisterLoad> {
  const addresses = cluster.addresses();
  return RegisterLoad.start({ addresses, registers: REGISTERS, readers: READERS, random });
}

/** Ends both when there was enough to judge, and judges what was read on the way. */
async function stop({ load, registers }: Loads): Promise<void> {
  await until(() => registers.reads >= READS_MIN, "registers are read");
  await Promise.all([load.stop(), registers.stop()]);
  assert.equal(registers.violations, []);
}

async function assertAllThere(cluster: ProcessCluster, load: WriteLoad): Promise<void> {
  for (const id of cluster.ids) {
    const missing = await missingAt(cluster.address(id), load.acknowledged);
    assert.equal(missing.slice(0, 5), [], `node ${id} lacks ${missing.length} of ${load.acknowledged.size}`);
  }
}

function report(what: string, { load, registers }: Loads): void {
  const { acknowledged, failures } = load;
  console.log(`${what}: ${acknowledged.size} writes acknowledged and read back, ${failures.length} failed`);
  console.log(`${what}: ${registers.writes} overwrites, ${registers.reads} reads, none stale`);
}

test.run();
