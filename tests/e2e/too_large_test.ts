/**
 * A node whose log has smaller files than those of the others: an entry that none of them can hold keeps its
 * replica behind. It says so while that lasts, and no more when the replica has moved away.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { eventually, PATIENCE_MS } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const SMALL = 4;

const test = suite("too large");

test("an entry that is too large here is told while its replica is here", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await cluster.waitReady();
  const metricsPort = freePort();
  const node = ProcessNode.start({
    args: [
      `--node-id=${SMALL}`,
      `--grpc-port=${freePort()}`,
      `--metrics-port=${metricsPort}`,
      `--data-dir=${cluster.dataDirectory(1)}-small`,
      `--join=${cluster.address(1)}`,
      `--wal-segment-bytes=${MEBIBYTE}`,
    ],
  });
  const ask = async (path: string) => await (await fetch(`http://127.0.0.1:${metricsPort}/${path}`)).text();
  const client = await PrkDbClient.connect(cluster.addresses());
  try {
    await eventually(async () => assert.is(await ask("readyz"), "ok\n"));
    const options = { timeoutMs: PATIENCE_MS };
    await client.put("large", new Uint8Array(MEBIBYTE), options);
    const move = { partitionId: 0, from: 3, to: SMALL };
    await client.cluster.moveReplica(move, options);
    await eventually(async () => {
      assert.match(
        await ask("readyz?verbose"),
        /entryTooLarge: Group 1 sends an entry of .*--wal-segment-bytes/,
      );
    });
    assert.match(await ask("metrics"), /prkdb_trouble\{kind="entry_too_large"\} 1/);
    const back = await client.cluster.moveReplica({ ...move, from: SMALL, to: 3 }, options);
    await client.cluster.waitForChange(back, options);
    await eventually(async () => assert.is(await ask("readyz?verbose"), "ok\n"));
    assert.match(await ask("metrics"), /prkdb_trouble\{kind="entry_too_large"\} 0/);
  } finally {
    await client.close();
    node.signal("SIGKILL");
    await node.ended;
  }
});

test.run();
