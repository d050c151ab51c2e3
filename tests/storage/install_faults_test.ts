/**
 * Installations that are cut short: by a crash in the moment of any call of the disk, or by calls that fail.
 * Before and after there is one state or the other, never a part of each, and no file that nobody needs.
 *
 * @module
 */

import { StorageError, type Store } from "../../server/storage/mod.ts";
import { assert, suite } from "../harness.ts";
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
  openStore,
  pointAt,
  STORE_DIRECTORY,
  StoreLedger,
} from "../support/storage/store_fixture.ts";

const test = suite("installing on a disk that fails");

/** Entries that the lagging store has in tables and in memory; it has one snapshot behind it. */
const FLUSHED = 45;
const WRITTEN = 50;
const ENTRIES = 75;

/** A store that lags, with some of its leader's tables, and a leader that goes on. */
class Trial {
  readonly ledger = new StoreLedger();
  readonly disk: MemoryDisk;
  leader!: Store;
  store!: Store;
  /** Calls of the disk since the trial was armed. */
  calls = 0;
  #onCall: ((call: number) => Error | undefined) | undefined;

  constructor(seed: number) {
    this.disk = new MemoryDisk({
      random: new SeededRandom(seed),
      fault: () => this.#onCall?.(this.calls++),
    });
  }

  async begin(): Promise<void> {
    const random = new SeededRandom(91);
    const quietDisk = new MemoryDisk({ random });
    this.leader = await openStore(quietDisk, { randomWord: () => random.word() });
    this.store = await openStore(this.disk);
    await this.#feed(30, random);
    await sendSnapshot(this.leader, this.store);
    await this.#feed(ENTRIES - 30, random);
    this.ledger.catchUp(this.store, FLUSHED);
    await this.store.flush({ ...pointAt(FLUSHED), logFloor: TEST_FLOOR });
    this.ledger.catchUp(this.store, WRITTEN);
  }

  /** From now on each call asks. */
  arm(onCall: (call: number) => Error | undefined): void {
    this.calls = 0;
    this.#onCall = onCall;
  }

  disarm(): void {
    this.#onCall = undefined;
  }

  /** A whole installation, with a flush and a compaction beside it. */
  async install(): Promise<void> {
    const snapshot = this.leader.openSnapshot();
    try {
      const install = await beginTransfer(snapshot, this.store);
      const point = { ...pointAt(this.store.lastVersion), logFloor: TEST_FLOOR };
      const flush = this.store.flush(point).catch(isExpected);
      const compaction = this.store.compact().catch(isExpected);
      try {
        await transferFiles({ snapshot, install });
        await install.finish(TEST_FLOOR);
      } finally {
        await Promise.all([flush, compaction]);
      }
    } finally {
      snapshot.release();
    }
  }

  /** The store after a start: one state or the other, and no leftovers. */
  async judge({ isInstalled }: { readonly isInstalled: boolean }): Promise<void> {
    const store = await openStore(this.disk);
    const { index, logFloor } = store.point;
    assert.ok([FLUSHED, WRITTEN, ENTRIES].includes(index), `it is at ${index}`);
    if (isInstalled) assert.is(index, ENTRIES);
    assert.equal(logFloor, TEST_FLOOR);
    assertHolds(store, this.ledger);
    const tables = store.status.levels.reduce((sum, level) => sum + level.tables, 0);
    const left = this.disk.paths().filter((path) => path.startsWith(STORE_DIRECTORY));
    assert.is(left.length, tables + 2, left.join(" "));
    if (index < ENTRIES) await sendSnapshot(this.leader, store);
    assertHolds(store, this.ledger);
    await store.close();
  }

  async #feed(entries: number, random: SeededRandom): Promise<void> {
    for (let count = 1; count <= entries; count++) {
      this.ledger.write(this.leader, drawChanges(random));
      if (count % 15 !== 0) continue;
      await this.leader.flush(pointAt(this.ledger.lastVersion));
      await this.leader.compact();
    }
  }
}

function isExpected(error: unknown): void {
  const isRetryable = error instanceof StorageError && error.retryable;
  assert.ok(isRetryable || (error instanceof StorageError && error.code === "STORAGE_STATE"), String(error));
}

for (const [lostPercent, garbledPercent] of [[0, 0], [50, 10], [100, 0]] as const) {
  test(`a crash at each call, which loses ${lostPercent} of 100 sectors`, async () => {
    for (let at = 0;; at++) {
      const trial = new Trial(100 + at);
      await trial.begin();
      let isCrashed = false;
      trial.arm((call) => {
        if (call !== at) return undefined;
        isCrashed = true;
        trial.disk.crash({ lostPercent, garbledPercent });
        return new Error("the power is gone");
      });
      const isInstalled = await trial.install().then(() => true, (error) => {
        isExpected(error);
        return false;
      });
      trial.disarm();
      if (!isCrashed) trial.disk.crash({ lostPercent, garbledPercent });
      await trial.judge({ isInstalled });
      if (!isCrashed) return assert.ok(at > 40, `${at} calls`);
    }
  });
}

for (const failing of [1, 7]) {
  test(`from each call on, ${failing} fail: nothing has changed, or all, and the next time it goes`, async () => {
    for (let from = 0;; from++) {
      const trial = new Trial(200 + from);
      await trial.begin();
      let failures = 0;
      trial.arm((call) => {
        if (call < from || call >= from + failing) return undefined;
        failures++;
        return new Error("no space left on device");
      });
      const isInstalled = await trial.install().then(() => true, (error) => {
        isExpected(error);
        return false;
      });
      trial.disarm();
      assert.is(trial.store.lastVersion, isInstalled ? ENTRIES : WRITTEN);
      assertHolds(trial.store, trial.ledger);
      // Half of them are cut off here: then either state may be in force, if the last edit failed.
      if (from % 2 === 0) {
        if (!isInstalled) await trial.install();
        assertHolds(trial.store, trial.ledger);
        assert.is(trial.store.status.flushFailure, undefined);
        await trial.store.close();
      }
      trial.disk.crash({ lostPercent: from % 4 < 2 ? 0 : 100, garbledPercent: 0 });
      await trial.judge({ isInstalled: isInstalled || from % 2 === 0 });
      if (failures === 0) return assert.ok(from > 40, `${from} calls`);
    }
  });
}

test("after an installation that failed the store goes on, and its next change is the one that counts", async () => {
  for (let from = 0;; from++) {
    const trial = new Trial(300 + from);
    await trial.begin();
    trial.arm((call) => call === from ? new Error("no space left on device") : undefined);
    const isInstalled = await trial.install().then(() => true, isExpected);
    trial.disarm();
    const isOver = trial.calls <= from;
    if (!isInstalled) {
      const { store, ledger } = trial;
      ledger.catchUp(store, WRITTEN + 1);
      await store.flush({ ...pointAt(WRITTEN + 1), logFloor: TEST_FLOOR });
      while (await store.compact());
      trial.disk.crash({ lostPercent: 0, garbledPercent: 0 });
      const again = await openStore(trial.disk);
      assert.is(again.point.index, WRITTEN + 1);
      assertHolds(again, ledger);
      await again.close();
    }
    if (isOver) return;
  }
});

test.run();
