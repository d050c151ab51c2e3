/**
 * A node that has run out of file descriptors, because somebody holds more connections to it than it may
 * have: it does not end, and it serves again as soon as they are gone.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { closeAll, tryOpenMany } from "../support/cluster/raw_socket.ts";
import { eventually, pause, until } from "../support/patience.ts";

const DESCRIPTORS_MAX = 200;
const CONNECTIONS = 400;
const ROUNDS = 3;
const KEY = new TextEncoder().encode("kept");

const test = suite("descriptors");

test("more connections than a node may have end neither it nor its service", async () => {
  const folder = await Deno.makeTempDir({ prefix: "prkdb-descriptors-" });
  const port = freePort();
  const address = `http://127.0.0.1:${port}`;
  const node = ProcessNode.start({
    args: ["--node-id=1", `--grpc-port=${port}`, `--metrics-port=${freePort()}`, `--data-dir=${folder}/node`],
    descriptorsMax: DESCRIPTORS_MAX,
  });
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const value = new TextEncoder().encode(`round ${round}`);
      await eventually(() => callNode(address, KvService.method.put, { input: { key: KEY, value } }));
      const connections = await tryOpenMany(port, CONNECTIONS);
      await until(
        () => !node.isRunning || openDescriptors(node) >= DESCRIPTORS_MAX - 10,
        "no descriptor is left",
      );
      await pause(1_000);
      assert.ok(node.isRunning, `the node ended: ${node.standardError}`);
      closeAll(connections);
      const got = await eventually(() => callNode(address, KvService.method.get, { input: { key: KEY } }));
      assert.equal(got.value, value);
    }
    node.signal("SIGTERM");
    assert.is((await node.ended).code, 0, node.standardError);
  } finally {
    node.signal("SIGKILL");
    await node.ended;
    await Deno.remove(folder, { recursive: true });
  }
});

function openDescriptors(node: ProcessNode): number {
  return [...Deno.readDirSync(`/proc/${node.pid}/fd`)].length;
}

test.run();
