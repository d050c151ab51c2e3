/**
 * The states that nodes open for backups: from leaders only, with everything that was acknowledged before,
 * and unchanged by what follows.
 *
 * @module
 */

import { partitionOfKey } from "../../proto/mod.ts";
import type { OpenBackup } from "../../server/api/mod.ts";
import { DomainError } from "../../server/api/mod.ts";
import { decodeSnapshotDescription, openRestingRows } from "../../server/storage/mod.ts";
import { ReadOnlyFileSystem } from "../../wal-wasm/mod.ts";
import { assert, suite } from "../harness.ts";
import { NodeCluster, put, TINY_SIZES, WRITE } from "../support/cluster/node_cluster.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const test = suite("backups of nodes");
const KEYS = 200;
const PARTITIONS = 2;
const LIMIT = { timeoutMs: PATIENCE_MS };
const folder = Deno.makeTempDirSync({ prefix: "prkdb-backup-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));

async function writeRound(cluster: NodeCluster, round: number): Promise<void> {
  const mutations = Array.from({ length: KEYS }, (_, at) => put(`key ${at}`, `${round}`.padEnd(60, "x")));
  const results = await cluster.node(1).write(mutations, WRITE);
  assert.ok(results.every(({ ok }) => ok));
}

async function openAtLeader(cluster: NodeCluster, partitionId: number): Promise<OpenBackup> {
  for (;;) {
    const { leaderId } = cluster.node(1).metadata().partitions[partitionId]!;
    try {
      return await cluster.node(leaderId || 1).openBackup(partitionId, LIMIT);
    } catch (error) {
      if (!(error instanceof DomainError && error.failure.kind === "notLeader")) throw error;
    }
  }
}

/** The values of users' keys in a state, read from its files alone. */
async function valuesIn(backup: OpenBackup): Promise<Map<string, string>> {
  backup.files.forEach(({ bytes, identity }, file) => {
    const whole = new Uint8Array(bytes);
    backup.read(file, 0, whole);
    Deno.writeFileSync(`${folder}/${identity.toHex()}`, whole);
  });
  const description = decodeSnapshotDescription(backup.description);
  const names = new Map(
    description.tables.map(({ fileNumber }, at) => [fileNumber, backup.files[at]!.identity.toHex()]),
  );
  const rows = await openRestingRows(description, {
    fileSystem: new ReadOnlyFileSystem(),
    pathOf: ({ fileNumber }) => `${folder}/${names.get(fileNumber)}`,
  });
  const values = new Map<string, string>();
  const text = new TextDecoder();
  for (rows.seek(Uint8Array.of(1)); rows.isValid; rows.next()) {
    const { key, keyEnd, keyStart, value, valueEnd, valueStart } = rows.entry;
    values.set(
      text.decode(key.subarray(keyStart + 1, keyEnd)),
      text.decode(value.subarray(valueStart, valueEnd)),
    );
  }
  rows.close();
  return values;
}

test("a state holds what was acknowledged before, whatever is written and merged meanwhile", async () => {
  const cluster = new NodeCluster(3, { sizes: TINY_SIZES, partitionCount: PARTITIONS });
  try {
    await cluster.start();
    await cluster.ready();
    for (let round = 0; round < 5; round++) await writeRound(cluster, round);
    const opened = [await openAtLeader(cluster, 0), await openAtLeader(cluster, 1)];
    for (let round = 5; round < 40; round++) await writeRound(cluster, round);
    const found = new Map<string, string>();
    for (const [partitionId, backup] of opened.entries()) {
      for (const [key, value] of await valuesIn(backup)) {
        assert.is(partitionOfKey(new TextEncoder().encode(key), PARTITIONS), partitionId);
        found.set(key, value);
      }
      backup.release();
    }
    assert.is(found.size, KEYS);
    assert.ok([...found.values()].every((value) => value.startsWith("4x")), "of the last round before");
  } finally {
    await cluster.close();
  }
});

test("only leaders open a state, and others name the leader", async () => {
  const cluster = new NodeCluster(3, { partitionCount: 1 });
  try {
    await cluster.start();
    await cluster.ready();
    (await openAtLeader(cluster, 0)).release();
    const { leaderId } = cluster.node(1).metadata().partitions[0]!;
    const other = [...cluster.nodes.keys()].find((id) => id !== leaderId)!;
    try {
      await cluster.node(other).openBackup(0, LIMIT);
      assert.unreachable();
    } catch (error) {
      const { failure } = error as DomainError;
      assert.is(failure.kind, "notLeader");
      assert.is(failure.kind === "notLeader" && failure.leaderId, leaderId);
    }
  } finally {
    await cluster.close();
  }
});

test.run();
