/**
 * Nodes on whose disks bytes of the state have changed, or files of it are gone: nothing wrong is ever read,
 * and the state is made whole from the other nodes, without an operator.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import { DomainError } from "../../server/api/mod.ts";
import { assert, suite } from "../harness.ts";
import { NodeCluster, put, READ, text, TINY_SIZES, utf8, WRITE } from "../support/cluster/node_cluster.ts";
import { until } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";
import { stateHash } from "../support/state_hash.ts";

const test = suite("damaged state");
const random = drawnRandom("damaged state");
const KEYS = 300;
const DAMAGED = 2;

test("one flipped byte in any table is found, never returned, and made whole", async () => {
  await withWritten(async (cluster) => {
    const { stats } = cluster.node(DAMAGED).keeper;
    for (let round = 0; round < 6; round++) {
      const path = random.pick(filesOf(cluster, ".table"));
      flip(path);
      // A merge that was under way may have replaced it meanwhile.
      await until(() => !isThere(path), "the damaged table is gone");
      await everythingIsRight(cluster);
    }
    assert.ok(cluster.node(DAMAGED).keeper.stats.repaired > stats.repaired);
  });
});

test("a flipped byte in a manifest, or a table that is gone, costs a restarted node nothing but time", async () => {
  await withWritten(async (cluster) => {
    for (const ending of [".manifest", "CURRENT", ".table"]) {
      await cluster.stop(DAMAGED);
      const path = random.pick(filesOf(cluster, ending));
      if (ending === ".table") Deno.removeSync(path);
      else flip(path);
      await cluster.start(DAMAGED);
      await cluster.ready();
      // Where the log was never let go of, or the manifest's last bytes were hit, the node helps itself.
      await everythingIsRight(cluster);
    }
    await cluster.stop(DAMAGED);
    await cluster.start(DAMAGED);
    await cluster.ready();
    await everythingIsRight(cluster);
  });
});

test("a state that is gone altogether comes back from the others, also under writes", async () => {
  await withWritten(async (cluster) => {
    await cluster.stop(DAMAGED);
    Deno.removeSync(`${cluster.directoryOf(DAMAGED)}/state`, { recursive: true });
    await cluster.start(DAMAGED);
    for (let round = 0; round < 10; round++) await write(cluster, round);
    await cluster.ready();
    await everythingIsRight(cluster);
  });
});

test("where there is no other replica the damage is named, and what can be read is served", async () => {
  const cluster = new NodeCluster(1, { sizes: TINY_SIZES });
  try {
    await cluster.start(1);
    await cluster.ready();
    for (let round = 0; round < 40; round++) await write(cluster, round);
    flip(filesOf(cluster, ".table", 1).at(-1)!);
    const damage = () => cluster.node(1).resourceTroubles().find(({ kind }) => kind === "state_damaged");
    await until(() => damage() !== undefined, "the damage is found");
    assert.match(damage()!.reason, /the state of group \d+ here is damaged.*\.table/);
    let found = 0;
    for (let key = 0; key < KEYS; key++) {
      const read = await text(cluster.node(1), `key-${key}`).catch((error) => error);
      if (read instanceof Error) assert.match(read.message, /\.table/);
      else found++;
    }
    assert.ok(found > 0);
    await cluster.stop(1);
    for (const path of filesOf(cluster, ".table", 1)) {
      if (!path.includes("/state/2/")) continue;
      const bytes = Deno.readFileSync(path);
      for (let at = 0; at < bytes.length; at += 50) bytes[at]! ^= 1;
      Deno.writeFileSync(path, bytes);
    }
    await cluster.start(1);
    await until(() => damage() !== undefined, "the damage is found at the start");
    const lost = Array.from({ length: KEYS }, (_, key) => `key-${key}`)
      .find((key) => partitionOfKey(utf8(key), 4) === 1)!;
    const error = await text(cluster.node(1), lost).catch((reason) => reason);
    assert.ok(error instanceof DomainError);
    assert.is(error.failure.kind, "dataLoss");
    assert.match(error.message, /partition 1 .* no other node has it: restore it from a backup/);
    assert.ok(cluster.node(1).troubles().some(({ kind }) => kind === "stateDamaged"));
  } finally {
    await cluster.close();
  }
});

/** Three nodes with so much on their disks that the log has been let go of. */
async function withWritten(body: (cluster: NodeCluster) => Promise<void>): Promise<void> {
  const cluster = new NodeCluster(3, { sizes: TINY_SIZES });
  try {
    await cluster.start();
    await cluster.ready();
    for (let round = 0; round < 60; round++) await write(cluster, round);
    await until(() => cluster.node(DAMAGED).keeper.stats.releases > 0, "the log is let go of");
    await body(cluster);
  } finally {
    await cluster.close();
  }
}

async function write(cluster: NodeCluster, round: number): Promise<void> {
  const mutations = Array.from({ length: 40 }, (_, at) => {
    return put(`key-${(round * 37 + at * 11) % KEYS}`, `${round}-${at}-`.padEnd(200, "x"));
  });
  const results = await cluster.node(1).write(mutations, WRITE);
  assert.ok(results.every(({ ok }) => ok));
}

function filesOf(cluster: NodeCluster, ending: string, id = DAMAGED): readonly string[] {
  const state = `${cluster.directoryOf(id)}/state`;
  const directories = [...Deno.readDirSync(state)].map(({ name }) => `${state}/${name}`).sort();
  return directories.flatMap((directory) =>
    [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`)
      .filter((path) => path.endsWith(ending)).sort()
  );
}

function flip(path: string): void {
  const bytes = Deno.readFileSync(path);
  const at = random.below(bytes.length);
  bytes[at] = bytes[at]! ^ (1 << random.below(8));
  using file = Deno.openSync(path, { write: true });
  file.seekSync(at, Deno.SeekMode.Start);
  file.writeSync(bytes.subarray(at, at + 1));
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function everythingIsRight(cluster: NodeCluster): Promise<void> {
  const hashOf = (id: number) =>
    cluster.node(id).replicas.assigned().map(({ machine }) => `${machine.appliedIndex}:${stateHash(machine)}`)
      .join();
  const isWhole = () => cluster.node(DAMAGED).keeper.damage === undefined;
  await until(() => isWhole() && hashOf(1) === hashOf(DAMAGED) && hashOf(1) === hashOf(3), "all is the same");
  for (let key = 0; key < KEYS; key += 10) {
    const name = `key-${key}`;
    const value = await text(cluster.node(1), name);
    assert.is(await text(cluster.node(DAMAGED), name, { ...READ, consistency: "follower" }), value);
  }
}

test.run();
