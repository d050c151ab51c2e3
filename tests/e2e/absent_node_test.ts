/**
 * A node that was announced and never comes: whoever waits for it is told when it is removed, nothing of it
 * stays, and who asks after a change that does not exist is told that, too.
 *
 * @module
 */

import { PrkDbClient, type PrkDbError } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS } from "../support/patience.ts";

const test = suite("absent node");

for (const nodes of [1, 3]) {
  test(`beside ${nodes}, a node that never came is removed, and its addition ends with that reason`, async () => {
    await using cluster = await ProcessCluster.start({ nodes, partitions: 3 });
    await cluster.waitReady();
    const client = await PrkDbClient.connect(cluster.addresses());
    try {
      const options = { timeoutMs: PATIENCE_MS };
      const absent = nodes + 1;
      const place = { nodeId: absent, address: `127.0.0.1:${freePort()}` };
      const addition = await client.cluster.addNode(place, options);
      const waiting = assertRejects(() => client.cluster.waitForChange(addition, options));
      const removal = await client.cluster.removeNode(absent, options);
      const { isFinished } = await client.cluster.waitForChange(removal, options);
      assert.ok(isFinished);
      const { code, message } = await waiting as PrkDbError;
      assert.is(code, "aborted");
      assert.match(message, new RegExp(`Change ${addition} was not carried out: .*node ${absent} .*removed`));
      // Another node may be asked than the one that told the end, and hear of it later.
      await eventually(async () => {
        const changes = await client.cluster.changes(options);
        assert.equal(changes.filter((change) => !change.isFinished), []);
      });
      const { nodes: members } = await cluster.metadata();
      assert.equal(members.map(({ nodeId }) => nodeId), cluster.ids);
      await client.put("key", "value", options);
    } finally {
      await client.close();
    }
  });
}

test("a change that never was is an error at every node, one that has ended is told by its end", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await cluster.waitReady();
  const options = { timeoutMs: PATIENCE_MS };
  const first = await PrkDbClient.connect(cluster.addresses());
  const changeId = await first.cluster.rebalance(options);
  await first.cluster.waitForChange(changeId, options);
  await first.close();
  for (const address of cluster.addresses()) {
    const client = await PrkDbClient.connect([address]);
    assert.ok((await client.cluster.waitForChange(changeId, options)).isFinished);
    for (const wrong of [`${changeId}0`, "1", "no id at all"]) {
      const error = await assertRejects(() => client.cluster.waitForChange(wrong, options)) as PrkDbError;
      assert.is(error.code, "invalid_argument");
      assert.ok(error.message.includes(`Cannot watch change "${wrong}"`), error.message);
    }
    await client.close();
  }
});

test("a node without a majority does not say that a change never was", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await cluster.waitReady();
  for (const id of [2, 3]) await cluster.kill(id);
  const client = await PrkDbClient.connect([cluster.address(1)]);
  const wait = client.cluster.waitForChange("begun-elsewhere", { timeoutMs: 8_000 });
  assert.is((await assertRejects(() => wait) as PrkDbError).code, "deadline_exceeded");
  for (const id of [2, 3]) await cluster.restart(id);
  await eventually(async () => {
    const again = client.cluster.waitForChange("begun-elsewhere", { timeoutMs: PATIENCE_MS });
    assert.is((await assertRejects(() => again) as PrkDbError).code, "invalid_argument");
  });
  await client.close();
});

test.run();
