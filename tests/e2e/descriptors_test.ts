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
const MEBIBYTE = 1024 * 1024;
const FEW_DESCRIPTORS = 128;
const SILENT_CONNECTIONS = 328;
/** Of {@linkcode LARGE} values: several files of the log. */
const PUTS = 24;
const LARGE = new Uint8Array(200_000);
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
        () => !node.isRunning || node.openDescriptors >= DESCRIPTORS_MAX - 10,
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

test("without a descriptor left, the log still begins its next files", async () => {
  const folder = await Deno.makeTempDir({ prefix: "prkdb-descriptors-" });
  const port = freePort();
  const address = `http://127.0.0.1:${port}`;
  const flags = [`--grpc-port=${port}`, `--metrics-port=${freePort()}`, `--data-dir=${folder}/node`];
  const node = ProcessNode.start({
    args: ["--node-id=1", ...flags, `--wal-segment-bytes=${MEBIBYTE}`],
    descriptorsMax: FEW_DESCRIPTORS,
  });
  try {
    await eventually(() => callNode(address, KvService.method.put, { input: { key: KEY, value: LARGE } }));
    const connections: Deno.TcpConn[] = [];
    let puts = 0;
    // The connection of these calls is open before all others.
    while (puts < PUTS) {
      await callNode(address, KvService.method.put, { input: { key: KEY, value: LARGE } });
      if (puts++ === 0) {
        connections.push(...await tryOpenMany(port, SILENT_CONNECTIONS));
        await until(() => !node.isRunning || node.openDescriptors >= FEW_DESCRIPTORS - 2, "none is left");
      }
      assert.ok(node.isRunning, `the node ended: ${node.standardError}`);
    }
    assert.ok(segments(`${folder}/node/wal`) >= PUTS * LARGE.length / MEBIBYTE);
    assert.ok(node.openDescriptors >= FEW_DESCRIPTORS - 10, "the connections were there all the time");
    closeAll(connections);
    const key = new TextEncoder().encode("after");
    await eventually(() => callNode(address, KvService.method.put, { input: { key, value: KEY } }));
    node.signal("SIGTERM");
    assert.is((await node.ended).code, 0, node.standardError);
  } finally {
    node.signal("SIGKILL");
    await node.ended;
    await Deno.remove(folder, { recursive: true });
  }
});

test("a database inside a program that has used up its descriptors begins its log's next files", async () => {
  const folder = await Deno.makeTempDir({ prefix: "prkdb-descriptors-" });
  const entry = new URL("../support/cluster/embedding_program.ts", import.meta.url).pathname;
  const program = ProcessNode.start({
    args: [`${folder}/node`],
    program: ["--no-check", entry],
    descriptorsMax: FEW_DESCRIPTORS,
  });
  try {
    const { code } = await program.ended;
    assert.is(code, 0, program.standardError);
    assert.is(program.standardOutput.trim(), "true 150");
    assert.ok(segments(`${folder}/node/wal`) > 2);
  } finally {
    program.signal("SIGKILL");
    await program.ended;
    await Deno.remove(folder, { recursive: true });
  }
});

function segments(walDirectory: string): number {
  return [...Deno.readDirSync(walDirectory)].filter(({ name }) => name.endsWith(".wal")).length;
}

test.run();
