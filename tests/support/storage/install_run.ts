/**
 * A random life of two stores that hold the same history: one has all of it, the other lags behind, gets some
 * entries, or a snapshot, while it flushes, compacts, is read, crashes, and while bits on its disk flip.
 * Whatever happens, it holds what the history says of its last version, and of every pinned one.
 *
 * @module
 */

import { type Pin, StorageError, type Store, type StoreInstall } from "../../../server/storage/mod.ts";
import { assert } from "../../harness.ts";
import { MemoryDisk } from "../disk/memory_file_system.ts";
import { SeededRandom } from "../seeded_random.ts";
import { drawKey } from "./entries.ts";
import { beginTransfer, TEST_FLOOR, transferFiles } from "./snapshot_transfer.ts";
import {
  assertHolds,
  drawChanges,
  heldBy,
  openStore,
  pointAt,
  rowsOf,
  STORE_DIRECTORY,
  StoreLedger,
} from "./store_fixture.ts";

const STEPS = 250;

/** Plays one run. Throws when the lagging store does not hold what it must. */
export async function playInstallRun(seed: number): Promise<void> {
  await new InstallRun(seed).play();
}

/** See the module comment. */
class InstallRun {
  readonly #random: SeededRandom;
  readonly #ledger = new StoreLedger();
  readonly #disk: MemoryDisk;
  #leader!: Store;
  #store!: Store;
  #pins: Pin[] = [];
  #underWay: Promise<unknown>[] = [];

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#disk = new MemoryDisk({
      random: this.#random,
      delay: async () => {
        for (let turns = this.#random.below(4); turns > 0; turns--) await Promise.resolve();
      },
    });
  }

  async play(): Promise<void> {
    const quietDisk = new MemoryDisk({ random: new SeededRandom(1) });
    this.#leader = await openStore(quietDisk, { randomWord: () => this.#random.word() });
    this.#store = await openStore(this.#disk);
    for (let step = 0; step < STEPS; step++) await this.#step();
    await this.#settle();
    this.#releasePins();
    assertHolds(this.#store, this.#ledger);
    await this.#store.close();
    this.#store = await openStore(this.#disk);
    assertHolds(this.#store, this.#ledger);
    this.#assertNoLeftovers();
    await this.#store.close();
    await this.#leader.close();
  }

  async #step(): Promise<void> {
    const roll = this.#random.below(100);
    if (roll < 40) this.#ledger.write(this.#leader, drawChanges(this.#random));
    else if (roll < 45) await this.#leader.flush(pointAt(this.#ledger.lastVersion));
    else if (roll < 50) await this.#leader.compact();
    else if (roll < 60) this.#ledger.catchUp(this.#store, this.#store.lastVersion + this.#random.below(20));
    else if (roll < 74) this.#read();
    else if (roll < 78) this.#pins.push(this.#store.pin());
    else if (roll < 81) this.#releaseOldest();
    else if (roll < 85) this.#flush();
    else if (roll < 89) this.#underWay.push(quiet(this.#store.compact()));
    else if (roll < 95) await this.#install();
    else if (roll < 96) await this.#settle();
    else if (roll < 98) this.#readDamaged();
    else await this.#crash();
  }

  #read(): void {
    const pin = this.#pins[this.#random.below(this.#pins.length + 1)];
    const at = pin?.version ?? this.#store.lastVersion;
    const key = drawKey(this.#random);
    assert.is(heldBy(this.#store, key, at), this.#ledger.get(key, at));
    if (this.#random.chance(30)) assert.equal(rowsOf(this.#store, at), this.#ledger.rows(at));
  }

  /** A flipped bit may fail reads, and never changes what they say. */
  #readDamaged(): void {
    const heal = this.#flipBit();
    try {
      const at = this.#store.lastVersion;
      assert.equal(rowsOf(this.#store, at), this.#ledger.rows(at));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    } finally {
      heal();
    }
  }

  /** Somewhere in a table, until what it returns is called. */
  #flipBit(): () => void {
    const tables = this.#disk.paths().filter((path) => path.endsWith(".table"));
    if (tables.length === 0) return () => {};
    const content = this.#disk.content(this.#random.pick(tables));
    if (content.length === 0) return () => {};
    const bit = this.#random.below(content.length * 8);
    const flip = () => content[bit >>> 3]! ^= 1 << (bit & 7);
    flip();
    return flip;
  }

  #flush(): void {
    const { logFloor } = this.#store.point;
    const point = { ...pointAt(this.#store.lastVersion), logFloor };
    this.#underWay.push(quiet(this.#store.flush(point)));
  }

  /** A snapshot, with everything else going on; a quarter of them is spoiled or given up. */
  async #install(): Promise<void> {
    const snapshot = this.#leader.openSnapshot();
    try {
      if (snapshot.point.index <= this.#store.lastVersion) return;
      const heal = this.#random.chance(30) ? this.#flipBit() : () => {};
      const install = await beginTransfer(snapshot, this.#store).finally(heal);
      let spoilt = this.#random.chance(15) ? 1 : 0;
      const spoil = (bytes: Uint8Array) => {
        if (spoilt === 1 && this.#random.chance(30)) {
          spoilt = 2;
          bytes[this.#random.below(bytes.length)]! ^= 1 << this.#random.below(8);
        }
      };
      await transferFiles({ snapshot, install, spoil });
      for (let steps = this.#random.below(6); steps > 0; steps--) await this.#stepMeanwhile();
      if (this.#random.chance(10)) await install.abandon();
      else await this.#finish(install, { isSpoilt: spoilt === 2, index: snapshot.point.index });
      assertHolds(this.#store, this.#ledger);
      this.#assertGets();
    } finally {
      snapshot.release();
    }
  }

  /** Unlike rows, a search believes the first table that it asks. */
  #assertGets(): void {
    const at = this.#store.lastVersion;
    for (const row of this.#ledger.rows(at)) {
      const key = Uint8Array.fromHex(row.split("=")[0]!);
      assert.is(heldBy(this.#store, key, at), this.#ledger.get(key, at));
    }
  }

  async #finish(
    install: StoreInstall,
    { isSpoilt, index }: { readonly isSpoilt: boolean; readonly index: number },
  ): Promise<void> {
    const finishing = install.finish(TEST_FLOOR);
    if (this.#random.chance(50)) this.#underWay.push(quiet(this.#store.compact()));
    if (this.#random.chance(50) && this.#store.lastVersion < index) this.#flush();
    try {
      await finishing;
    } catch (error) {
      if (error instanceof RangeError && this.#store.lastVersion >= index) return;
      const isDamage = error instanceof StorageError && error.code === "STORAGE_DAMAGED";
      if (isDamage && isSpoilt && error.message.includes(".table")) return;
      throw error;
    }
    assert.is(isSpoilt, false, "a flipped bit is noticed");
    assert.is(this.#store.lastVersion, index);
    assert.equal(this.#store.point, { ...pointAt(index), logFloor: TEST_FLOOR });
  }

  async #stepMeanwhile(): Promise<void> {
    const roll = this.#random.below(5);
    if (roll === 0) this.#flush();
    else if (roll === 1) this.#underWay.push(quiet(this.#store.compact()));
    else if (roll === 2) await this.#settle();
    else if (roll === 3) this.#pins.push(this.#store.pin());
    else this.#read();
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  async #crash(): Promise<void> {
    const odds = { lostPercent: this.#random.below(100), garbledPercent: this.#random.below(30) };
    const { index } = this.#store.point;
    if (this.#random.chance(30)) this.#disk.kill();
    else this.#disk.crash(odds);
    this.#pins = [];
    await this.#settle();
    this.#store = await openStore(this.#disk);
    assert.ok(this.#store.point.index >= index, "what was durable is there");
    assertHolds(this.#store, this.#ledger);
    this.#assertNoLeftovers();
  }

  #releaseOldest(): void {
    const pin = this.#pins.shift();
    if (pin === undefined) return;
    assert.equal(rowsOf(this.#store, pin.version), this.#ledger.rows(pin.version));
    pin.release();
  }

  #releasePins(): void {
    while (this.#pins.length > 0) this.#releaseOldest();
  }

  #assertNoLeftovers(): void {
    const tables = this.#store.status.levels.reduce((sum, level) => sum + level.tables, 0);
    const paths = this.#disk.paths().filter((path) => path.startsWith(STORE_DIRECTORY));
    assert.is(paths.length, tables + 2, paths.join(" "));
  }
}

/** What was interrupted by a crash, or has met a flipped bit, may reject; nothing else may. */
async function quiet(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    const isExpected = error instanceof StorageError &&
      ["STORAGE_STATE", "STORAGE_WRITE_FAILED", "STORAGE_READ_FAILED", "STORAGE_DAMAGED"].includes(
        error.code,
      );
    if (!isExpected) throw error;
  }
}
