/**
 * Stores against a list of all that was written to them, under random writes, reads at pinned versions,
 * flushes, compactions, restarts and crashes in the middle of all that.
 *
 * `STORAGE_MODEL_ROUNDS` runs more of them, `STORAGE_MODEL_SEED` another one first.
 *
 * @module
 */

import type { Pin, Store } from "../../server/storage/mod.ts";
import { StorageError } from "../../server/storage/mod.ts";
import { assert, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { drawKey } from "../support/storage/entries.ts";
import {
  assertHolds,
  drawChanges,
  heldBy,
  openStore,
  pointAt,
  rowsOf,
  rowText,
  STORE_DIRECTORY,
  StoreLedger,
} from "../support/storage/store_fixture.ts";

const test = suite("store against a model");
const ROUNDS = Number(Deno.env.get("STORAGE_MODEL_ROUNDS") ?? 20);
const FIRST_SEED = Number(Deno.env.get("STORAGE_MODEL_SEED") ?? 1);
const STEPS = 400;

/** One run: a store, its disk, and what is known of both. */
class Run {
  readonly #random: SeededRandom;
  readonly #disk: MemoryDisk;
  readonly #ledger = new StoreLedger();
  #store!: Store;
  #pins: Pin[] = [];
  /** Of the last flush that has ended well. */
  #flushedIndex = 0;
  /** Flushes and compactions under way. */
  #underWay: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    // A few turns of waiting, so that calls of flush and compaction lie between each other's.
    this.#disk = new MemoryDisk({
      random: this.#random,
      delay: async () => {
        for (let turns = this.#random.below(4); turns > 0; turns--) await Promise.resolve();
      },
    });
  }

  async play(): Promise<void> {
    this.#store = await openStore(this.#disk);
    for (let step = 0; step < STEPS; step++) await this.#step();
    await this.#settle();
    while (await this.#store.compact());
    this.#releasePins();
    assertHolds(this.#store, this.#ledger);
    await this.#store.close();
    this.#store = await openStore(this.#disk);
    this.#ledger.replay(this.#store);
    assertHolds(this.#store, this.#ledger);
    this.#assertNoLeftovers();
    await this.#store.close();
  }

  async #step(): Promise<void> {
    const roll = this.#random.below(100);
    if (roll < 55) this.#ledger.write(this.#store, drawChanges(this.#random));
    else if (roll < 75) this.#read();
    else if (roll < 79) this.#pins.push(this.#store.pin());
    else if (roll < 82) this.#pins.shift()?.release();
    else if (roll < 88) this.#flush();
    else if (roll < 94) this.#underWay.push(quiet(this.#store.compact()));
    else if (roll < 97) await this.#settle();
    else if (roll < 98) await this.#restart();
    else await this.#crash();
  }

  #read(): void {
    const pin = this.#pins[this.#random.below(this.#pins.length + 1)];
    const at = pin?.version ?? this.#store.lastVersion;
    const key = drawKey(this.#random);
    assert.is(heldBy(this.#store, key, at), this.#ledger.get(key, at));
    if (this.#random.chance(20)) {
      assert.equal(
        rowsOf(this.#store, at, this.#random.pick(["forward", "backward"])),
        this.#ledger.rows(at),
      );
    } else if (this.#random.chance(50)) this.#stroll(at);
  }

  /** Some steps in both directions from some key. */
  #stroll(at: number): void {
    const expected = this.#ledger.rows(at);
    const key = drawKey(this.#random);
    const rows = this.#store.rows(at);
    let position: number;
    if (this.#random.chance(50)) {
      rows.seek(key);
      position = expected.findIndex((text) => text.split("=")[0]! >= key.toHex());
      if (position < 0) position = expected.length;
    } else {
      rows.seekBefore(key);
      position = expected.findLastIndex((text) => text.split("=")[0]! < key.toHex());
    }
    for (let left = 6; left > 0 && rows.isValid; left--) {
      assert.is(rowText(rows.entry), expected[position]);
      const isForward = this.#random.chance(50);
      position += isForward ? 1 : -1;
      if (isForward) rows.next();
      else rows.previous();
    }
    assert.is(rows.isValid, expected[position] !== undefined);
    rows.close();
  }

  #flush(): void {
    const index = this.#ledger.lastVersion;
    const flush = this.#store.flush(pointAt(index)).then(() => {
      this.#flushedIndex = Math.max(this.#flushedIndex, index);
    });
    this.#underWay.push(quiet(flush));
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  async #restart(): Promise<void> {
    this.#releasePins();
    if (this.#random.chance(50)) await this.#settle();
    await this.#store.close();
    await this.#settle();
    await this.#open();
  }

  async #crash(): Promise<void> {
    const odds = { lostPercent: this.#random.below(100), garbledPercent: this.#random.below(30) };
    if (this.#random.chance(30)) this.#disk.kill();
    else this.#disk.crash(odds);
    this.#pins = [];
    await this.#settle();
    await this.#open();
  }

  async #open(): Promise<void> {
    this.#store = await openStore(this.#disk);
    const { point } = this.#store;
    assert.ok(point.index >= this.#flushedIndex, `flushed up to ${this.#flushedIndex}, found ${point.index}`);
    assert.equal(point, point.index === 0 ? point : pointAt(point.index));
    this.#flushedIndex = point.index;
    this.#ledger.replay(this.#store);
    assertHolds(this.#store, this.#ledger);
  }

  #releasePins(): void {
    for (const pin of this.#pins.splice(0)) pin.release();
  }

  /** One manifest, `CURRENT`, and the tables of the store. */
  #assertNoLeftovers(): void {
    const tables = this.#store.status.levels.reduce((sum, level) => sum + level.tables, 0);
    const paths = this.#disk.paths().filter((path) => path.startsWith(STORE_DIRECTORY));
    assert.is(paths.length, tables + 2, paths.join(" "));
  }
}

/** What was interrupted by a crash or a restart may reject; nothing else may. */
async function quiet(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (error instanceof StorageError && ["STORAGE_STATE", "STORAGE_WRITE_FAILED"].includes(error.code)) {
      return;
    }
    if (error instanceof StorageError && error.code === "STORAGE_READ_FAILED") return;
    throw error;
  }
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
  test(`seed ${seed}`, () => new Run(seed).play());
}

test.run();
