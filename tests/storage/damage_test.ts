/**
 * A store whose files go bad while it is closed: every flipped bit is noticed, or harmless. No wrong value is
 * ever returned.
 *
 * @module
 */

import type { Store } from "../../server/storage/mod.ts";
import { StorageError } from "../../server/storage/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import {
  assertHolds,
  drawChanges,
  openStore,
  pointAt,
  rowsOf,
  STORE_DIRECTORY,
  StoreLedger,
} from "../support/storage/store_fixture.ts";

const test = suite("store with damage");

/** A closed store with tables in two levels. */
async function closedStore(): Promise<{ readonly disk: MemoryDisk; readonly ledger: StoreLedger }> {
  const disk = new MemoryDisk({ random: new SeededRandom(61) });
  const ledger = new StoreLedger();
  const random = new SeededRandom(62);
  const store = await openStore(disk);
  for (let flush = 0; flush < 3; flush++) {
    for (let count = 0; count < 4; count++) ledger.write(store, drawChanges(random));
    await store.flush(pointAt(ledger.lastVersion));
    if (flush === 1) { while (await store.compact()); }
  }
  assert.ok(store.status.levels[0]!.tables > 0 && store.status.levels[1]!.tables > 0);
  await store.close();
  return { disk, ledger };
}

/** What becomes of opening a store and reading all of it. */
async function outcomeOf(disk: MemoryDisk): Promise<readonly string[] | string> {
  let store: Store | undefined;
  try {
    store = await openStore(disk);
    return rowsOf(store, store.lastVersion);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    assert.ok(error.place !== undefined && error.place.path.startsWith(STORE_DIRECTORY));
    return error.code;
  } finally {
    await store?.close();
  }
}

test("a second reading finds every flipped bit of every table, though all of it is in memory", async () => {
  const { disk, ledger } = await closedStore();
  const store = await openStore(disk);
  assertHolds(store, ledger);
  const tables = disk.paths().filter((path) => path.endsWith(".table"));
  for (const path of tables) {
    const content = disk.content(path);
    for (let at = 0; at < content.length; at += 7) {
      content[at]! ^= 1 << at % 8;
      const readings = await Promise.allSettled(tables.map(() => store.verifyNext()));
      const damages = readings.filter(({ status }) => status === "rejected");
      assert.is(damages.length, 1, `${path} at ${at}`);
      content[at]! ^= 1 << at % 8;
    }
  }
  for (const _ of tables) assert.ok(await store.verifyNext());
  await store.close();
});

test("every flipped bit of every file is noticed or harmless", async () => {
  const { disk, ledger } = await closedStore();
  const expected = ledger.rows(ledger.lastVersion);
  const whole = new Map(disk.paths().map((path) => [path, disk.content(path).slice()]));
  let noticed = 0;
  for (const [path, content] of whole) {
    for (let bit = 0; bit < content.length * 8; bit += 3) {
      const flipped = content.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      disk.place(path, flipped);
      const outcome = await outcomeOf(disk);
      if (outcome === "STORAGE_DAMAGED") noticed++;
      else assert.equal(outcome, expected, `${path} bit ${bit}`);
      // A store that was opened may have begun a new manifest.
      for (const each of disk.paths()) if (!whole.has(each)) disk.lose(each);
      for (const [each, bytes] of whole) disk.place(each, bytes);
    }
  }
  assert.ok(noticed > 1_000);
});

test("a file that is missing, or another's, is damage", async () => {
  const { disk } = await closedStore();
  const whole = new Map(disk.paths().map((path) => [path, disk.content(path).slice()]));
  const restore = () => whole.forEach((content, path) => disk.place(path, content));
  for (const path of whole.keys()) {
    disk.lose(path);
    assert.is(await outcomeOf(disk), "STORAGE_DAMAGED", path);
    restore();
  }
  const [first, second] = [...whole.keys()].filter((path) => path.endsWith(".table"));
  disk.place(first!, whole.get(second!)!);
  assert.is(await outcomeOf(disk), "STORAGE_DAMAGED");
  restore();
  await assertRejects(
    () => openStore(disk, { group: 4 }),
    (error: Error) => /that of group 3, not 4/.test(error.message),
  );
});

test("a damaged block fails the reads that need it, and no others", async () => {
  const disk = new MemoryDisk({ random: new SeededRandom(63) });
  const ledger = new StoreLedger();
  let store = await openStore(disk);
  const keys = Array.from({ length: 40 }, (_, last) => Uint8Array.of(1, last));
  ledger.write(store, keys.map((key) => ({ key, value: new Uint8Array(40).fill(key[1]!) })));
  await store.flush(pointAt(1));
  await store.close();
  const table = disk.paths().find((path) => path.endsWith(".table"))!;
  disk.content(table)[10]! ^= 1;
  store = await openStore(disk);
  const outcomes = keys.map((key) => {
    try {
      return store.get(key)?.value[0] === key[1] ? "right" : "wrong";
    } catch (error) {
      return (error as StorageError).code;
    }
  });
  assert.is(outcomes[0], "STORAGE_DAMAGED");
  assert.is(outcomes.at(-1), "right");
  assert.is(outcomes.includes("wrong"), false);
  await store.close();
});

test("what an interrupted flush leaves is removed, and nothing else", async () => {
  const { disk, ledger } = await closedStore();
  const strangers = ["README", "0000000000000001.wal", "12.table"].map((name) =>
    `${STORE_DIRECTORY}/${name}`
  );
  const leftovers = ["CURRENT.tmp", "0000000000000900.table", "0000000000000901.manifest"]
    .map((name) => `${STORE_DIRECTORY}/${name}`);
  for (const path of [...strangers, ...leftovers]) disk.place(path, Uint8Array.of(1));
  const store = await openStore(disk);
  assertHolds(store, ledger);
  for (const path of strangers) assert.ok(disk.paths().includes(path), path);
  for (const path of leftovers) assert.is(disk.paths().includes(path), false, path);
  ledger.write(store, [{ key: Uint8Array.of(1, 1), value: undefined }]);
  await store.flush(pointAt(ledger.lastVersion));
  assert.ok(disk.paths().some((path) => /\/0000000000000902\.table$/.test(path)), "numbers are passed over");
  await store.close();
});

test.run();
