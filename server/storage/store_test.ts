/**
 * What a store promises to its one caller: order of versions, pins, points, limits, what compaction keeps.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { heldBy, openStore, pointAt, rowsOf } from "../../tests/support/storage/store_fixture.ts";
import type { Store } from "./mod.ts";

const test = suite("store");
const KEY = Uint8Array.of(1, 7);

const quietDisk = () => new MemoryDisk({ random: new SeededRandom(1) });
const put = (store: Store, version: number, last = 7) =>
  store.write([{ key: Uint8Array.of(1, last), value: Uint8Array.of(version % 256) }], version);

async function compactAll(store: Store): Promise<void> {
  while (await store.compact());
}

test("versions grow, and a write that is refused changes nothing", async () => {
  const store = await openStore(quietDisk());
  put(store, 5);
  assert.throws(() => put(store, 4), /must not be below 5/);
  assert.throws(() => put(store, 2 ** 53), /must not be below 5/);
  const tooLong = { key: new Uint8Array(5_000), value: undefined };
  assert.throws(() => store.write([{ key: KEY, value: undefined }, tooLong], 6), /key of 5000 bytes/);
  assert.throws(() => store.write([{ key: new Uint8Array(0), value: undefined }], 6), /key of 0 bytes/);
  assert.is(heldBy(store, KEY), "05@5");
  assert.throws(() => store.flush(pointAt(4)), /Cannot flush up to 4/);
  await store.close();
});

test("of two changes of a key in one write the later one counts", async () => {
  const store = await openStore(quietDisk());
  store.write([{ key: KEY, value: Uint8Array.of(1) }, { key: KEY, value: Uint8Array.of(2) }], 1);
  store.write([{ key: KEY, value: Uint8Array.of(3) }, { key: KEY, value: undefined }], 2);
  assert.is(heldBy(store, KEY), "nothing");
  assert.is(heldBy(store, KEY, 1), "02@1");
  await store.flush(pointAt(2));
  assert.is(heldBy(store, KEY), "nothing");
  await store.close();
});

test("a pinned version stays readable through flushes and compactions, and goes when it is released", async () => {
  const store = await openStore(quietDisk());
  put(store, 1);
  const pin = store.pin();
  for (let version = 2; version < 12; version++) {
    put(store, version);
    put(store, ++version, 8);
    await store.flush(pointAt(version));
    await compactAll(store);
    assert.is(heldBy(store, KEY, pin.version), "01@1");
    assert.equal(rowsOf(store, pin.version), ["0107=01@1"]);
  }
  assert.is(store.status.entries > 2, true);
  pin.release();
  pin.release();
  put(store, 20);
  await store.flush(pointAt(20));
  put(store, 21);
  await store.flush(pointAt(21));
  await compactAll(store);
  assert.is(store.status.entries, 2);
  await store.close();
});

test("many pinned versions of a key are found, though they are more than a table takes", async () => {
  const store = await openStore(quietDisk());
  const pins = [];
  for (let version = 1; version <= 80; version++) {
    store.write([{ key: KEY, value: new Uint8Array(60).fill(version) }], version);
    pins.push(store.pin());
    if (version % 20 === 0) await store.flush(pointAt(version));
  }
  await compactAll(store);
  for (const { version } of pins) {
    assert.is(store.get(KEY, version)?.version, version);
    assert.equal(rowsOf(store, version).length, 1);
    assert.equal(rowsOf(store, version, "backward").length, 1);
  }
  for (const pin of pins) pin.release();
  await store.close();
});

test("tombstones go when nothing is below them", async () => {
  const store = await openStore(quietDisk());
  for (let version = 1; version <= 6; version++) put(store, version, version);
  await store.flush(pointAt(6));
  store.write([1, 2, 3, 4, 5, 6].map((last) => ({ key: Uint8Array.of(1, last), value: undefined })), 7);
  await store.flush(pointAt(7));
  await compactAll(store);
  assert.equal(rowsOf(store, 7), []);
  assert.is(store.status.entries, 0);
  assert.is(store.status.levels.reduce((sum, { tables }) => sum + tables, 0), 0);
  await store.close();
});

test("one key written over and over keeps one entry", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  for (let version = 1; version <= 3_000; version++) {
    put(store, version);
    if (version % 200 === 0) await store.flush(pointAt(version));
    if (version % 400 === 0) await compactAll(store);
  }
  assert.ok(store.status.entries <= 2);
  assert.is(heldBy(store, KEY), `${(3_000 % 256).toString(16)}@3000`);
  const bytes = disk.paths().reduce((sum, path) => sum + disk.content(path).length, 0);
  assert.ok(bytes < 20_000, `${bytes} bytes`);
  await store.close();
});

test("the manifest is rewritten when it has grown", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  for (let version = 1; version <= 1_500; version++) await store.flush(pointAt(version));
  const manifests = disk.paths().filter((path) => path.endsWith(".manifest"));
  assert.is(manifests.length, 1, manifests.join(" "));
  assert.is(manifests[0]!.endsWith("0001.manifest"), false);
  assert.ok(disk.content(manifests[0]!).length < 70_000);
  await store.close();
  const again = await openStore(disk);
  assert.equal(again.point, pointAt(1_500));
  await again.close();
});

test("a flush without writes moves the point, one without news costs nothing", async () => {
  let calls = 0;
  const disk = new MemoryDisk({ random: new SeededRandom(2), fault: () => void calls++ as undefined });
  const store = await openStore(disk);
  await store.flush(pointAt(9));
  assert.equal(store.point, pointAt(9));
  const before = calls;
  await store.flush(pointAt(9));
  assert.is(calls, before);
  await store.close();
});

test("flush and compaction pause, and reads and writes go on meanwhile", async () => {
  let pauses = 0;
  let meanwhile = () => {};
  const pause = () => {
    pauses++;
    meanwhile();
    return Promise.resolve();
  };
  const store = await openStore(quietDisk(), { pause });
  let version = 0;
  for (let round = 0; round < 3; round++) {
    const value = new Uint8Array(90);
    for (let count = 0; count < 5_000; count++) {
      store.write([{ key: Uint8Array.of(1, count >> 8, count, round), value }], ++version);
    }
    meanwhile = () => {
      put(store, ++version);
      assert.is(heldBy(store, KEY), `${(version % 256).toString(16).padStart(2, "0")}@${version}`);
    };
    await store.flush(pointAt(version));
    await compactAll(store);
    meanwhile = () => {};
  }
  assert.ok(pauses > 8, `${pauses} pauses`);
  assert.is(rowsOf(store, version).length, 15_001);
  await store.close();
});

test("a cursor keeps its tables while they are replaced", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  for (let version = 1; version <= 30; version++) put(store, version, version);
  await store.flush(pointAt(30));
  const rows = store.rows(30);
  rows.seek();
  for (let version = 31; version <= 60; version++) put(store, version, version - 30);
  await store.flush(pointAt(60));
  await compactAll(store);
  let count = 0;
  for (; rows.isValid; rows.next()) assert.is(rows.entry.version, ++count);
  assert.is(count, 30);
  const before = disk.paths().length;
  rows.close();
  await store.compact();
  assert.ok(disk.paths().length < before, "its tables are removed when it is closed");
  await store.close();
});

test("a cursor keeps the memtables it reads, whose buffers are used again", async () => {
  const store = await openStore(quietDisk(), {
    tableBytes: 2 ** 20,
    level1Bytes: 2 ** 22,
    blockBytes: 8_192,
  });
  const fill = (from: number, byte: number) => {
    for (let version = from; version < from + 4_000; version++) {
      const key = Uint8Array.of(1, byte, version >> 8, version);
      store.write([{ key, value: new Uint8Array(700).fill(byte) }], version);
    }
  };
  fill(1, 1);
  const rows = store.rows(4_000);
  rows.seek();
  await store.flush(pointAt(4_000));
  fill(4_001, 2);
  await store.flush(pointAt(8_000));
  fill(8_001, 3);
  let count = 0;
  for (; rows.isValid; rows.next(), count++) {
    const { key, keyStart, value, valueStart } = rows.entry;
    assert.equal([key[keyStart + 1], value[valueStart], value[valueStart + 699]], [1, 1, 1]);
  }
  assert.is(count, 4_000);
  rows.close();
  assert.is(rowsOf(store, 12_000).length, 12_000);
  await store.close();
});

test("a closed store refuses everything, and ends what is under way", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  for (let version = 1; version <= 5_000; version++) put(store, version, version);
  const flush = store.flush(pointAt(5_000)).catch((error) => error.code);
  await store.close();
  assert.is(await flush, "STORAGE_STATE");
  for (
    const call of [() => store.get(KEY), () => put(store, 6_000), () => store.pin(), () => store.rows(1)]
  ) {
    assert.throws(call, /the store is closed/);
  }
  await store.close();
  const again = await openStore(disk);
  assert.is(again.point.index, 0);
  await again.close();
});

test("a directory with tables but without CURRENT is refused", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  put(store, 1);
  await store.flush(pointAt(1));
  await store.close();
  disk.lose(disk.paths().find((path) => path.endsWith("CURRENT"))!);
  const files = disk.paths();
  await assertRejects(
    () => openStore(disk),
    (error: Error) => /CURRENT .* it is missing although/.test(error.message),
  );
  assert.equal(disk.paths(), files);
});

test("changes of a flush are part of it, and are made once", async () => {
  const disk = quietDisk();
  const store = await openStore(disk);
  const change = (byte: number) => [{ key: Uint8Array.of(0, 1), value: Uint8Array.of(byte) }];
  put(store, 5);
  const pin = store.pin();
  await store.flush(pointAt(5), change(1));
  assert.is(heldBy(store, Uint8Array.of(0, 1)), "01@5");
  await store.flush(pointAt(9), change(2));
  await store.flush(pointAt(9), change(3));
  assert.is(heldBy(store, Uint8Array.of(0, 1)), "02@9");
  assert.is(heldBy(store, KEY, pin.version), "05@5");
  assert.throws(() => put(store, 8), /must not be below 9/);
  assert.throws(() => store.flush(pointAt(10), [{ key: new Uint8Array(0), value: undefined }]), /key of 0/);
  assert.is(store.lastVersion, 9);
  pin.release();
  await store.close();
  const again = await openStore(disk);
  assert.equal(rowsOf(again, 9), ["0001=02@9", "0107=05@5"]);
  await again.close();
});

test("the log's floor never goes back", async () => {
  const store = await openStore(quietDisk());
  const at = (index: number, segment: number, offset: number) => ({
    ...pointAt(index),
    logFloor: { segment, offset },
  });
  await store.flush(at(1, 2, 50));
  assert.throws(() => store.flush(at(2, 2, 49)), /floor at 2\/49: it is at 2\/50/);
  assert.throws(() => store.flush(pointAt(2)), /floor at 0\/0/);
  await store.flush(at(1, 3, 0));
  assert.equal(store.point, at(1, 3, 0));
  await store.close();
});

test("estimates are exact while all is in one memtable, and follow flushes and compactions", async () => {
  const store = await openStore(quietDisk());
  const random = new SeededRandom(4);
  const held = new Map<number, number>();
  let version = 0;
  const assertExact = () => {
    const bytes = [...held.values()].reduce((sum, length) => sum + 2 + length, 0);
    assert.equal(store.estimate, { keys: held.size, valueAndKeyBytes: bytes });
  };
  for (; version < 500;) {
    const last = random.below(40);
    const key = Uint8Array.of(1, last);
    const isDelete = held.has(last) && random.chance(40);
    const value = isDelete ? undefined : random.bytes(random.below(30));
    store.write([{ key, value }], ++version);
    if (value === undefined) held.delete(last);
    else held.set(last, value.length);
    assertExact();
  }
  await store.flush(pointAt(version));
  assert.is(store.status.keys, store.estimate.keys);
  // Tombstones that a table has are taken for ones that hide something elsewhere.
  assert.ok(store.estimate.keys <= held.size);
  await compactAll(store);
  store.write([...held.keys()].map((last) => ({ key: Uint8Array.of(1, last), value: undefined })), ++version);
  assert.equal(store.estimate, { keys: 0, valueAndKeyBytes: 0 });
  await store.flush(pointAt(version));
  await compactAll(store);
  held.clear();
  assertExact();
  put(store, version + 1);
  assert.is(store.estimate.keys, 1);
  await store.close();
});

test("keys with a prefix are walked over alone, in both directions", async () => {
  const store = await openStore(quietDisk());
  for (let version = 1; version <= 60; version++) {
    store.write([{ key: Uint8Array.of(version % 3, version), value: Uint8Array.of(version) }], version);
    if (version % 25 === 0) await store.flush(pointAt(version));
  }
  const rows = store.rows(60);
  for (const prefix of [0, 1]) {
    const hasPrefix = () => rows.isValid && rows.entry.key[rows.entry.keyStart] === prefix;
    let [forwards, backwards] = [0, 0];
    for (rows.seek(Uint8Array.of(prefix)); hasPrefix(); rows.next()) forwards++;
    for (rows.seekBefore(Uint8Array.of(prefix + 1)); hasPrefix(); rows.previous()) backwards++;
    assert.equal([forwards, backwards], [20, 20]);
  }
  rows.close();
  await store.close();
});

test.run();
