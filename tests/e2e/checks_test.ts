/**
 * The checks of the other end-to-end tests, tested: a lost write, a changed one, one applied twice and a
 * stale read are each found.
 *
 * @module
 */

import { Consistency } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RegisterLoad } from "../support/load/register_load.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";
import { until } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";

const test = suite("checks");
let cluster: ProcessCluster;
test.after(() => cluster.close());

test("the cluster starts", async () => {
  cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
});

test("a lost, a changed and a repeated write are found, and nothing else", async () => {
  const load = await WriteLoad.start({ addresses: cluster.addresses(), writers: 2 });
  await until(() => load.acknowledged.size >= 600, "600 writes are acknowledged");
  await load.stop();
  const address = cluster.address(1);
  assert.equal(await missingAt(address, load.acknowledged), []);
  const claimed = new Map(load.acknowledged);
  const [first, second] = [...claimed];
  claimed.set("never-written", { value: "lost", version: 1 });
  claimed.set(first![0], { ...first![1], value: "changed" });
  claimed.set(second![0], { ...second![1], version: second![1].version - 1 });
  const missing = await missingAt(address, claimed);
  assert.is(missing.length, 3, missing.join("\n"));
  assert.match(missing.join("\n"), /never-written: wanted lost at version 1, got nothing/);
});

test("a stale read is found", async () => {
  const leader = await cluster.leaderOf(0);
  const followers = cluster.ids.filter((id) => id !== leader).map((id) => cluster.address(id));
  const load = await RegisterLoad.start({
    addresses: followers,
    registers: 2,
    readers: 3,
    consistency: Consistency.STALE,
    random: drawnRandom("checks"),
  });
  await until(() => load.violations.length > 0, "a stale read is found");
  await load.stop();
  assert.match(load.violations[0] ?? "", /register-\d is \d+, must be from \d+ to \d+/);
});

test.run();
