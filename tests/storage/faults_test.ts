/**
 * A store whose disk fails: whichever call fails, or all from one on for a while, nothing is lost, nothing
 * wrong is read, and when the disk works again everything goes on.
 *
 * @module
 */

import type { Store } from "../../server/storage/mod.ts";
import { StorageError } from "../../server/storage/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { type DiskCall, MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
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

const test = suite("store on a failing disk");

/** Calls of the disk that fail: from one on, so many. */
interface Outage {
  readonly from: number;
  readonly calls: number;
}

/** A store that is filled in several steps while its disk fails in the middle. */
class Trial {
  readonly #random = new SeededRandom(51);
  readonly #ledger = new StoreLedger();
  readonly disk: MemoryDisk;
  /** Calls so far, and those that failed. */
  calls = 0;
  failures = 0;
  #isOver = false;

  constructor(outage: Outage) {
    this.disk = new MemoryDisk({
      random: new SeededRandom(52),
      fault: () => {
        const call = this.calls++;
        if (this.#isOver) return undefined;
        if (call < outage.from || call >= outage.from + outage.calls) return undefined;
        this.failures++;
        return new Error("no space left on device");
      },
    });
  }

  async play(): Promise<void> {
    let store = await this.#opened();
    for (let round = 0; round < 4; round++) {
      for (let count = 0; count < 12; count++) this.#ledger.write(store, drawChanges(this.#random));
      const pin = store.pin();
      const rows = rowsOrFailure(store, pin.version);
      if (rows !== undefined) assert.equal(rows, this.#ledger.rows(pin.version));
      await this.#work(store);
      const after = rowsOrFailure(store, pin.version);
      if (after !== undefined) assert.equal(after, this.#ledger.rows(pin.version));
      pin.release();
    }
    store = await this.#insist(store);
    await store.close();
    this.disk.crash({ lostPercent: 100, garbledPercent: 0 });
    await this.#judge();
  }

  /** Opening may fail, and then succeeds when it is tried again. */
  async #opened(): Promise<Store> {
    for (let tries = 0; tries < 100; tries++) {
      try {
        return await openStore(this.disk);
      } catch (error) {
        assert.ok(error instanceof StorageError && error.retryable, String(error));
      }
    }
    throw new Error("Cannot open the store though its disk works");
  }

  async #work(store: Store): Promise<void> {
    await store.flush(pointAt(this.#ledger.lastVersion)).catch(isExpected);
    assert.is(store.status.flushFailure === undefined, store.point.index === this.#ledger.lastVersion);
    await store.compact().catch(isExpected);
  }

  /** Everything can be done once the disk works. */
  async #insist(store: Store): Promise<Store> {
    for (let tries = 0; store.point.index < this.#ledger.lastVersion; tries++) {
      assert.ok(tries < 100, "a flush succeeds when the disk works");
      await store.flush(pointAt(this.#ledger.lastVersion)).catch(isExpected);
    }
    for (let tries = 0; tries < 100; tries++) {
      if (await store.compact().catch(isExpected) === false) break;
    }
    return store;
  }

  async #judge(): Promise<void> {
    const store = await this.#opened();
    this.#isOver = true;
    assert.is(store.point.index, this.#ledger.lastVersion, "what was flushed is durable");
    assertHolds(store, this.#ledger);
    const tables = store.status.levels.reduce((sum, level) => sum + level.tables, 0);
    const left = this.disk.paths().filter((path) => path.startsWith(STORE_DIRECTORY));
    // A file that could not be removed waits for the next start.
    assert.ok(left.length === tables + 2 || this.failures > 0, left.join(" "));
    await store.close();
  }
}

function isExpected(error: unknown): undefined {
  assert.ok(error instanceof StorageError && error.retryable, String(error));
  return undefined;
}

/** Reads may fail while the disk does; they never return something else. */
function rowsOrFailure(store: Store, version: number): string[] | undefined {
  try {
    return rowsOf(store, version);
  } catch (error) {
    return isExpected(error);
  }
}

test("each call fails in turn", async () => {
  for (let from = 0;; from++) {
    const trial = new Trial({ from, calls: 1 });
    await trial.play();
    if (trial.failures === 0) return;
  }
});

test("from each call on, a dozen fail", async () => {
  for (let from = 0;; from += 3) {
    const trial = new Trial({ from, calls: 12 });
    await trial.play();
    if (trial.failures === 0) return;
  }
});

test("after a flush that failed anywhere, whichever state is in force can be opened", async () => {
  for (let failing = 0;; failing++) {
    let [calls, from] = [0, Infinity];
    const disk = new MemoryDisk({
      random: new SeededRandom(56),
      fault: () => calls++ === from ? new Error("failed") : undefined,
    });
    const ledger = new StoreLedger();
    const random = new SeededRandom(57);
    const store = await openStore(disk);
    for (let count = 0; count < 10; count++) ledger.write(store, drawChanges(random));
    [calls, from] = [0, failing];
    await store.flush(pointAt(ledger.lastVersion)).catch(isExpected);
    const isOver = calls <= failing;
    from = Infinity;
    await store.compact();
    // What was written may have reached the disk, though nobody was told so.
    disk.crash({ lostPercent: 0, garbledPercent: 0 });
    const again = await openStore(disk);
    ledger.replay(again);
    assertHolds(again, ledger);
    await again.close();
    if (isOver) return;
  }
});

test("a full disk: reads and writes go on, the status says so, and it ends by itself", async () => {
  let isFull = false;
  const disk = new MemoryDisk({
    random: new SeededRandom(53),
    fault: ({ operation }: DiskCall) =>
      isFull && (operation === "create" || operation === "write") ? new Error("no space left") : undefined,
  });
  const ledger = new StoreLedger();
  const random = new SeededRandom(54);
  const store = await openStore(disk);
  isFull = true;
  for (let round = 0; round < 5; round++) {
    ledger.write(store, drawChanges(random));
    await assertRejects(
      () => store.flush(pointAt(ledger.lastVersion)),
      (error: Error) => error instanceof StorageError && error.code === "STORAGE_WRITE_FAILED",
    );
    assert.match(store.status.flushFailure!.message, /no space left/);
    assertHolds(store, ledger);
  }
  const files = disk.paths().length;
  isFull = false;
  await store.flush(pointAt(ledger.lastVersion));
  assert.is(store.status.flushFailure, undefined);
  assert.is(store.status.frozenBytes, 0);
  assertHolds(store, ledger);
  assert.ok(disk.paths().length <= files + 6);
  await store.close();
});

test("a sync that failed is never tried again on its file", async () => {
  const syncs = new Map<string, number>();
  let failing: string | undefined;
  const disk = new MemoryDisk({
    random: new SeededRandom(55),
    fault: ({ operation, path }: DiskCall) => {
      if (operation !== "syncData") return undefined;
      syncs.set(path, (syncs.get(path) ?? 0) + 1);
      return failing !== undefined && path.endsWith(failing) ? new Error("sync failed") : undefined;
    },
  });
  const ledger = new StoreLedger();
  const store = await openStore(disk);
  for (const kind of [".table", ".manifest"]) {
    ledger.write(store, [{ key: Uint8Array.of(1, 2), value: Uint8Array.of(3) }]);
    syncs.clear();
    failing = kind;
    await store.flush(pointAt(ledger.lastVersion)).catch(isExpected);
    const failed = [...syncs.keys()].find((path) => path.endsWith(kind))!;
    failing = undefined;
    await store.flush(pointAt(ledger.lastVersion));
    assert.is(syncs.get(failed), 1, failed);
    assert.is(heldBy(store, Uint8Array.of(1, 2)), ledger.get(Uint8Array.of(1, 2), ledger.lastVersion));
  }
  await store.close();
});

test.run();
