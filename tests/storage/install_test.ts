/**
 * What an installation promises: all or nothing, only what is sound, nothing twice, and readers that are not
 * disturbed. The rest is left to chance in `install_model_test.ts`.
 *
 * @module
 */

import { BlockCache, StorageError, type Store } from "../../server/storage/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  beginTransfer,
  sendSnapshot,
  TEST_FLOOR,
  transferFiles,
} from "../support/storage/snapshot_transfer.ts";
import {
  assertHolds,
  drawChanges,
  heldBy,
  openStore,
  pointAt,
  rowsOf,
  STORE_DIRECTORY,
  StoreLedger,
} from "../support/storage/store_fixture.ts";

const test = suite("installing a snapshot");
const KEY = Uint8Array.of(1, 7);

/** A store that has all of a history, and one that lags. */
interface Pair {
  readonly ledger: StoreLedger;
  readonly leader: Store;
  readonly store: Store;
  readonly disk: MemoryDisk;
}

const quietDisk = () => new MemoryDisk({ random: new SeededRandom(1) });
const hasCode = (code: string) => (error: Error) => error instanceof StorageError && error.code === code;
const tableCount = (store: Store) => store.status.levels.reduce((sum, { tables }) => sum + tables, 0);
const tableFiles = (disk: MemoryDisk) => disk.paths().filter((path) => path.endsWith(".table"));

async function openPair({ entries = 60, disk = quietDisk() } = {}): Promise<Pair> {
  const random = new SeededRandom(81);
  const ledger = new StoreLedger();
  const leader = await openStore(quietDisk(), { randomWord: () => random.word() });
  const store = await openStore(disk);
  for (let count = 0; count < entries; count++) {
    ledger.write(leader, drawChanges(random));
    if (count % 15 !== 14) continue;
    await leader.flush(pointAt(ledger.lastVersion));
    await leader.compact();
  }
  ledger.catchUp(store, 20);
  await store.flush(pointAt(20));
  ledger.catchUp(store, 30);
  return { ledger, leader, store, disk };
}

async function closeAll({ leader, store }: Pair): Promise<void> {
  await store.close();
  await leader.close();
}

test("the store is what the other one was, after a restart too, and goes on from there", async () => {
  const pair = await openPair();
  const { ledger, leader, disk } = pair;
  await sendSnapshot(leader, pair.store);
  const { index } = leader.point;
  for (const open of [() => Promise.resolve(pair.store), () => reopened(pair)]) {
    const store = await open();
    assert.equal(store.point, { ...pointAt(index), logFloor: TEST_FLOOR });
    assert.is(store.lastVersion, index);
    assertHolds(store, ledger);
    assert.is(tableFiles(disk).length, tableCount(leader));
    assert.is(disk.paths().length, tableCount(leader) + 2);
    if (store === pair.store) continue;
    ledger.write(store, [{ key: KEY, value: Uint8Array.of(9) }]);
    await store.flush({ ...pointAt(index + 1), logFloor: TEST_FLOOR });
    assertHolds(store, ledger);
    await store.close();
  }
  await leader.close();
});

async function reopened({ store, disk }: Pair): Promise<Store> {
  await store.close();
  return await openStore(disk);
}

test("tables that the store has are not asked for", async () => {
  const pair = await openPair();
  const { ledger, leader, store } = pair;
  await sendSnapshot(leader, store);
  ledger.write(leader, [{ key: KEY, value: Uint8Array.of(1) }]);
  await leader.flush(pointAt(ledger.lastVersion));
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, store);
  assert.is(install.missing.length, 1);
  assert.ok(snapshot.tables.length > 2);
  await transferFiles({ snapshot, install });
  await install.finish(TEST_FLOOR);
  assertHolds(store, ledger);
  snapshot.release();
  await closeAll(pair);
});

test("what a compaction takes away in the meantime comes back", async () => {
  const pair = await openPair();
  const { ledger, leader, disk } = pair;
  await sendSnapshot(leader, pair.store);
  for (let count = 0; count < 3; count++) {
    ledger.write(leader, [{ key: KEY, value: Uint8Array.of(count) }]);
    ledger.catchUp(pair.store, ledger.lastVersion);
    await pair.store.flush({ ...pointAt(ledger.lastVersion), logFloor: TEST_FLOOR });
  }
  ledger.write(leader, [{ key: KEY, value: undefined }]);
  await leader.flush(pointAt(ledger.lastVersion));
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, pair.store);
  const shared = snapshot.tables.length - install.missing.length;
  assert.ok(shared > 0);
  while (await pair.store.compact());
  await transferFiles({ snapshot, install });
  await install.finish(TEST_FLOOR);
  assertHolds(pair.store, ledger);
  assert.is(tableFiles(disk).length, snapshot.tables.length, "and what is not shared is gone");
  snapshot.release();
  const store = await reopened(pair);
  assertHolds(store, ledger);
  await store.close();
  await leader.close();
});

test("tables of its own that are damaged are received again, and lose no place", async () => {
  const pair = await openPair();
  const { ledger, leader, disk } = pair;
  let store = pair.store;
  const value = (byte: number) => [{ key: KEY, value: Uint8Array.of(byte) }];
  // Three tables of level 0 with the same key; the leader has no more than two of them, and compacts none.
  while (await leader.compact());
  ledger.write(leader, value(1));
  await leader.flush(pointAt(ledger.lastVersion));
  ledger.write(leader, value(2));
  await leader.flush(pointAt(ledger.lastVersion));
  await sendSnapshot(leader, store);
  assert.is(leader.status.levels[0]!.tables, 2);
  // Both have the same size.
  const sizes = tableFiles(disk).map((path) => disk.content(path).length);
  for (const path of tableFiles(disk)) {
    const content = disk.content(path);
    if (content.length === Math.min(...sizes)) content[3]! ^= 4;
  }
  await store.close();
  store = await openStore(disk);
  ledger.write(leader, value(3));
  await leader.flush(pointAt(ledger.lastVersion));
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, store);
  assert.is(install.missing.length, 3);
  await transferFiles({ snapshot, install });
  await install.finish(TEST_FLOOR);
  snapshot.release();
  assert.is(heldBy(store, KEY), ledger.get(KEY, ledger.lastVersion));
  assertHolds(store, ledger);
  await store.close();
  await leader.close();
});

test("what is in memory of a table hides no damage on the disk", async () => {
  const pair = await openPair();
  const { ledger, leader, store, disk } = pair;
  await sendSnapshot(leader, store);
  assertHolds(store, ledger);
  const [path] = tableFiles(disk);
  disk.content(path!)[disk.content(path!).length - 100]! ^= 1;
  ledger.write(leader, [{ key: KEY, value: undefined }]);
  await leader.flush(pointAt(ledger.lastVersion));
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, store);
  assert.is(install.missing.length, 2);
  await install.abandon();
  snapshot.release();
  await sendSnapshot(leader, store);
  assert.is(disk.paths().includes(path!), false);
  assertHolds(store, ledger);
  await closeAll(pair);
});

test("a flipped bit anywhere is refused by name, and nothing changes", async () => {
  const pair = await openPair({ entries: 45 });
  const { ledger, leader, store, disk } = pair;
  const expected = ledger.rows(30);
  const files = disk.paths();
  const snapshot = leader.openSnapshot();
  const bytes = snapshot.tables.reduce((sum, { summary }) => sum + summary.fileBytes, 0);
  for (let bit = 0; bit < bytes * 8; bit += 37) {
    const install = await beginTransfer(snapshot, store);
    let passed = 0;
    const spoil = (part: Uint8Array) => {
      const at = (bit >>> 3) - passed;
      if (at >= 0 && at < part.length) part[at]! ^= 1 << (bit & 7);
      passed += part.length;
    };
    await transferFiles({ snapshot, install, spoil });
    await assertRejects(
      () => install.finish(TEST_FLOOR),
      (error: Error) =>
        hasCode("STORAGE_DAMAGED")(error) &&
        /Cannot use .*\.table at .* received as file \d+/.test(error.message),
    );
    await assertRejects(() => install.finish(TEST_FLOOR), hasCode("STORAGE_STATE"));
    assert.equal(disk.paths(), files);
  }
  assert.equal(rowsOf(store, 30), expected);
  assert.equal(store.point, pointAt(20));
  snapshot.release();
  await sendSnapshot(leader, store);
  assertHolds(store, ledger);
  await closeAll(pair);
});

test("a snapshot must not be below what the store has, in the end too", async () => {
  const pair = await openPair();
  const { ledger, leader, store, disk } = pair;
  const isRefused = (error: Error) => error instanceof RangeError && /the store is at/.test(error.message);
  const snapshot = leader.openSnapshot();
  const files = disk.paths();
  const install = await beginTransfer(snapshot, store);
  await transferFiles({ snapshot, install });
  ledger.write(leader, drawChanges(new SeededRandom(2)));
  ledger.catchUp(store, ledger.lastVersion);
  await assertRejects(() => install.finish(TEST_FLOOR), isRefused);
  await assertRejects(() => beginTransfer(snapshot, store), isRefused);
  assert.equal(disk.paths(), files);
  assertHolds(store, ledger);
  snapshot.release();
  await closeAll(pair);
});

test("readers go on with what they read, and new ones see the new state alone", async () => {
  const pair = await openPair();
  const { ledger, leader, store, disk } = pair;
  const pins = [store.pin()];
  ledger.catchUp(store, 33);
  pins.push(store.pin());
  const rows = store.rows(33);
  rows.seek();
  await sendSnapshot(leader, store);
  const later = store.pin();
  assert.equal(rowsOf(store, store.lastVersion), ledger.rows(leader.point.index));
  for (const { version } of pins) {
    assert.equal(rowsOf(store, version), ledger.rows(version));
    assert.equal(rowsOf(store, version, "backward"), ledger.rows(version));
    for (const row of ledger.rows(version)) {
      const key = Uint8Array.fromHex(row.split("=")[0]!);
      assert.is(heldBy(store, key, version), ledger.get(key, version));
    }
  }
  let count = 0;
  for (; rows.isValid; rows.next()) count++;
  assert.is(count, ledger.rows(33).length);
  // A second snapshot: now there are three states that are read.
  ledger.write(leader, [{ key: KEY, value: Uint8Array.of(8) }]);
  await leader.flush(pointAt(ledger.lastVersion));
  await sendSnapshot(leader, store);
  for (const { version } of [...pins, later]) assert.equal(rowsOf(store, version), ledger.rows(version));
  const before = tableFiles(disk).length;
  for (const pin of [...pins, later]) pin.release();
  rows.close();
  await store.compact();
  assert.ok(tableFiles(disk).length < before, "what nobody reads is removed");
  assertHolds(store, ledger);
  await closeAll(pair);
});

test("flushes and compactions are waited for, or wait", async () => {
  const delays = new SeededRandom(5);
  const delay = async () => {
    for (let turns = delays.below(6); turns > 0; turns--) await Promise.resolve();
  };
  const pair = await openPair({ disk: new MemoryDisk({ random: new SeededRandom(2), delay }) });
  const { ledger, leader, store } = pair;
  for (let index = 31; index < 36; index++) {
    ledger.catchUp(store, index);
    await store.flush(pointAt(index));
  }
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, store);
  await transferFiles({ snapshot, install });
  ledger.catchUp(store, 40);
  const work = [store.flush(pointAt(40)), store.compact(), install.finish(TEST_FLOOR), store.compact()];
  ledger.catchUp(store, 41);
  work.push(store.flush(pointAt(41)));
  await Promise.all(work);
  assert.is(store.point.index, snapshot.point.index);
  assertHolds(store, ledger);
  assert.is(store.status.frozenBytes, 0);
  assert.throws(() => store.flush(pointAt(41)), /Cannot flush up to 41/);
  while (await store.compact());
  assertHolds(store, ledger);
  snapshot.release();
  await closeAll(pair);
});

test("bytes come in order, all of them, to one installation at a time", async () => {
  const pair = await openPair();
  const { leader, store, disk } = pair;
  const files = disk.paths();
  const snapshot = leader.openSnapshot();
  const install = await beginTransfer(snapshot, store);
  const { fileNumber, fileBytes } = install.missing[0]!;
  const refused = (work: () => Promise<unknown>) =>
    assertRejects(work, (error: Error) => error instanceof RangeError);
  await refused(() => install.write(fileNumber, 1, new Uint8Array(1)));
  await refused(() => install.write(fileNumber, 0, new Uint8Array(fileBytes + 1)));
  await refused(() => install.write(9_999, 0, new Uint8Array(1)));
  await install.write(fileNumber, 0, new Uint8Array(10));
  await refused(() => install.write(fileNumber, 0, new Uint8Array(10)));
  assert.is(install.missing[0]!.received, 10);
  await refused(() => install.finish(TEST_FLOOR));
  await assertRejects(() => beginTransfer(snapshot, store), hasCode("STORAGE_STATE"));
  assert.ok(disk.paths().length > files.length);
  await install.abandon();
  await install.abandon();
  assert.equal(disk.paths(), files, "what was received is removed");
  await assertRejects(() => install.write(fileNumber, 10, new Uint8Array(1)), hasCode("STORAGE_STATE"));
  const another = await beginTransfer(snapshot, store);
  await store.close();
  await assertRejects(() => another.finish(TEST_FLOOR), hasCode("STORAGE_STATE"));
  await assertRejects(() => beginTransfer(snapshot, store), hasCode("STORAGE_STATE"));
  snapshot.release();
  await leader.close();
});

test("a table of another group, or another one than announced, is refused", async () => {
  const pair = await openPair();
  const { leader, disk } = pair;
  await pair.store.close();
  const other = await openStore(quietDisk(), { group: 4 });
  await assertRejects(() => sendSnapshot(leader, other), hasCode("STORAGE_DAMAGED"));
  const store = await openStore(disk);
  const snapshot = leader.openSnapshot();
  const tables = snapshot.tables.map((table) => ({
    ...table,
    summary: { ...table.summary, valueBytes: table.summary.valueBytes + 1 },
  }));
  const install = await store.beginInstall({ point: snapshot.point, tables });
  await transferFiles({ snapshot, install });
  await assertRejects(() => install.finish(TEST_FLOOR), hasCode("STORAGE_DAMAGED"));
  snapshot.release();
  await Promise.all([other.close(), store.close(), leader.close()]);
});

test("a snapshot is read past the cache, and as long as it is held", async () => {
  const random = new SeededRandom(3);
  const cache = new BlockCache(1 << 20);
  const disk = quietDisk();
  const store = await openStore(disk, { cache });
  const ledger = new StoreLedger();
  for (let count = 0; count < 30; count++) ledger.write(store, drawChanges(random));
  await store.flush(pointAt(30));
  const snapshot = store.openSnapshot();
  const [{ fileNumber, summary }] = [snapshot.tables[0]!];
  const path = tableFiles(disk)[0]!;
  const content = disk.content(path).slice();
  for (let count = 0; count < 30; count++) ledger.write(store, drawChanges(random));
  await store.flush(pointAt(60));
  while (await store.compact());
  const before = cache.stats;
  const bytes = new Uint8Array(summary.fileBytes);
  snapshot.read(fileNumber, 0, bytes);
  assert.equal(bytes, content);
  assert.equal(cache.stats, before);
  assert.equal(snapshot.point, pointAt(30));
  assert.throws(() => snapshot.read(fileNumber, 1, bytes), /not in the snapshot/);
  assert.throws(() => snapshot.read(777, 0, bytes), /not in the snapshot/);
  snapshot.release();
  snapshot.release();
  assert.throws(() => snapshot.read(fileNumber, 0, bytes), /was released/);
  await store.compact();
  assert.is(disk.paths().includes(path), false);
  await store.close();
});

test("an empty state can be installed too", async () => {
  const pair = await openPair();
  const empty = await openStore(quietDisk());
  await empty.flush(pointAt(500));
  await sendSnapshot(empty, pair.store);
  assert.equal(rowsOf(pair.store, pair.store.lastVersion), []);
  assert.is(pair.store.lastVersion, 500);
  assert.is(pair.disk.paths().filter((path) => path.startsWith(STORE_DIRECTORY)).length, 2);
  await empty.close();
  await closeAll(pair);
});

test.run();
