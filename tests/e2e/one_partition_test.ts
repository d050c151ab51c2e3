/**
 * More writes to one partition than any internal page or window holds: all of them are there, on every node,
 * before and after all nodes were ended and started again.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { type Acknowledgement, missingAt } from "../support/load/write_load.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const WRITES = 15_000;
const BATCH = 250;
const BATCHES_AT_ONCE = 4;

const test = suite("one partition");

test("15,000 writes to one partition are all there on every node after a restart of all", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3 });
  const acknowledged = await writeAll(cluster.addresses());
  assert.is(acknowledged.size, WRITES);
  await assertEverywhere(cluster, acknowledged);
  await cluster.killAll("SIGTERM");
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
  await cluster.waitReady();
  await assertEverywhere(cluster, acknowledged);
  await cluster.killAll("SIGKILL");
  await Promise.all(cluster.ids.map((id) => cluster.restart(id)));
  await cluster.waitReady();
  await assertEverywhere(cluster, acknowledged);
});

/** All keys share a hash tag and thereby a partition; half of them come in batches, half one by one. */
async function writeAll(addresses: readonly string[]): Promise<Map<string, Acknowledgement>> {
  await using client = await PrkDbClient.connect(addresses, { timeoutMs: PATIENCE_MS });
  const acknowledged = new Map<string, Acknowledgement>();
  const starts = Array.from({ length: WRITES / BATCH }, (_, at) => at * BATCH);
  const worker = async () => {
    for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
      const keys = Array.from({ length: BATCH }, (_, at) => `{one}-${start! + at}`);
      const versions = (start / BATCH) % 2 === 0
        ? await Promise.all(keys.map(async (key) => (await client.put(key, `value of ${key}`)).version))
        : await batchVersions(client, keys);
      keys.forEach((key, at) => acknowledged.set(key, { value: `value of ${key}`, version: versions[at]! }));
    }
  };
  await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, worker));
  return acknowledged;
}

async function batchVersions(client: PrkDbClient, keys: readonly string[]): Promise<number[]> {
  const results = await client.writeBatch(
    keys.map((key) => ({ kind: "put" as const, key, value: `value of ${key}` })),
  );
  return results.map((result) => {
    if (result.kind === "failed") throw result.error;
    return result.version;
  });
}

async function assertEverywhere(
  cluster: ProcessCluster,
  acknowledged: ReadonlyMap<string, Acknowledgement>,
): Promise<void> {
  for (const id of cluster.ids) {
    assert.equal((await missingAt(cluster.address(id), acknowledged)).slice(0, 5), [], `node ${id}`);
  }
}

test.run();
