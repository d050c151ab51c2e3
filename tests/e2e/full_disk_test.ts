/**
 * A node whose log cannot get its next file, as on a full disk: it goes on reading, refuses puts and says
 * why, still takes deletes, and goes on by itself as soon as there is room. Whoever may mount gets a disk
 * that is really full; everybody else a directory in which nothing can be made, which is the same to the log.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { KvService } from "../../proto/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { SmallDisk } from "../support/disk/small_disk.ts";
import { eventually, pause, until } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
const SEGMENT_BYTES = MEBIBYTE;
const DISK_BYTES = 8 * MEBIBYTE;
const VALUE = new Uint8Array(20_000).fill(7);
/** More than any log takes whose next file cannot be made. */
const PUTS_MAX = 400;

const test = suite("full disk");

test("a node reads on, refuses puts, takes deletes, and goes on when there is room", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: 2,
    dataRoot: disk.folder,
    flags: [`--wal-segment-bytes=${SEGMENT_BYTES}`],
  });
  const address = cluster.address(1);
  const wal = `${cluster.dataDirectory(1)}/wal`;
  await until(
    () => [...Deno.readDirSync(wal)].filter(({ name }) => name.endsWith(".wal")).length > 1,
    "spare",
  );
  await disk.fill([wal]);
  const { keys, refusal } = await putUntilRefused(address);
  assert.is(refusal.code, Code.ResourceExhausted, refusal.message);
  assert.match(refusal.rawMessage, /log is full.*free disk space/);
  assert.ok(keys.length > 10, `${keys.length} puts were taken`);
  // Longer than a disk may hang before the node falls silent.
  await pause(1_500);
  assert.equal((await callNode(address, KvService.method.get, { input: { key: keys[0]! } })).value, VALUE);
  const deleted = await callNode(address, KvService.method.delete, { input: { key: keys[0]! } });
  assert.ok(deleted.existed);
  const ready = await readiness(cluster);
  assert.is(ready.status, 503);
  assert.match(ready.text, /log is full/);
  assert.ok((await metrics(cluster)).includes('prkdb_trouble{kind="log_full"} 1'));
  await disk.makeRoom();
  const key = new TextEncoder().encode("after");
  await eventually(() => callNode(address, KvService.method.put, { input: { key, value: VALUE } }));
  await cluster.waitReady();
  assert.ok((await metrics(cluster)).includes('prkdb_trouble{kind="next_segment"} 0'));
  await cluster.kill(1, "SIGKILL");
  await cluster.restart(1);
  await cluster.waitReady();
  for (const each of [...keys.slice(1), key]) {
    assert.equal((await callNode(address, KvService.method.get, { input: { key: each } })).value, VALUE);
  }
});

test("a node on a full disk stops when asked, and starts", async () => {
  await using disk = await SmallDisk.open(DISK_BYTES);
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: 1,
    dataRoot: disk.folder,
    flags: [`--wal-segment-bytes=${SEGMENT_BYTES}`],
  });
  const wal = `${cluster.dataDirectory(1)}/wal`;
  await until(
    () => [...Deno.readDirSync(wal)].filter(({ name }) => name.endsWith(".wal")).length > 1,
    "spare",
  );
  await disk.fill([wal]);
  const { keys } = await putUntilRefused(cluster.address(1));
  assert.is((await cluster.kill(1, "SIGTERM"))?.code, 0, cluster.output(1));
  await cluster.restart(1);
  const input = { key: keys.at(-1)! };
  const got = await eventually(() => callNode(cluster.address(1), KvService.method.get, { input }));
  assert.equal(got.value, VALUE);
  // No put has been refused since the start: what calls will meet is told all the same.
  await eventually(async () => {
    const { status, text } = await readiness(cluster);
    assert.is(status, 503);
    assert.match(text, /log is full/);
  });
  assert.ok((await metrics(cluster)).includes('prkdb_trouble{kind="log_full"} 1'));
  await disk.makeRoom();
  await cluster.waitReady();
});

test("a write that no file of the log takes is refused, and the node lives", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 1,
    partitions: 1,
    flags: [`--wal-segment-bytes=${SEGMENT_BYTES}`],
  });
  const put = (value: Uint8Array) =>
    callNode(cluster.address(1), KvService.method.put, { input: { key: VALUE.subarray(0, 3), value } });
  await assertRejects(
    () => put(new Uint8Array(MEBIBYTE)),
    (error) => error instanceof ConnectError && error.code === Code.InvalidArgument,
  );
  await put(new Uint8Array(MEBIBYTE - 8_192));
});

async function putUntilRefused(
  address: string,
): Promise<{ readonly keys: readonly Uint8Array[]; readonly refusal: ConnectError }> {
  const keys: Uint8Array[] = [];
  while (keys.length < PUTS_MAX) {
    const key = new TextEncoder().encode(`key ${keys.length}`);
    try {
      await callNode(address, KvService.method.put, { input: { key, value: VALUE } });
      keys.push(key);
    } catch (error) {
      if (error instanceof ConnectError) return { keys, refusal: error };
      throw error;
    }
  }
  throw new Error(`${PUTS_MAX} puts were taken on a full disk`);
}

async function readiness(
  cluster: ProcessCluster,
): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${cluster.metricsAddress(1)}/readyz`);
  return { status: response.status, text: await response.text() };
}

async function metrics(cluster: ProcessCluster): Promise<readonly string[]> {
  return (await (await fetch(`${cluster.metricsAddress(1)}/metrics`)).text()).split("\n");
}

test.run();
