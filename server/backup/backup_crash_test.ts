/**
 * Backups on a disk that fails or loses power in the moment of any call: earlier backups stay as they were, a
 * backup is there whole or not at all, and the next run makes one, whatever the last has left.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { drawChanges, openStore, pointAt, StoreLedger } from "../../tests/support/storage/store_fixture.ts";
import { crc32c } from "../../wal-wasm/mod.ts";
import { encodeIdentity, encodeSnapshotDescription, openRestingRows, type Store } from "../storage/mod.ts";
import { BackupDirectory } from "./directory.ts";
import { type BackupSource, makeBackup, type SourcePart, verifyBackups } from "./mod.ts";

const test = suite("backup on a disk that fails");
const DIRECTORY = "backups/shop";
const CLUSTER = "c".repeat(32);
const PART_BYTES = 400;
/** Only which versions survive is drawn anew. */
const SEEDS = [1, 2, 3];

/** A store as the only partition of a cluster. */
class StoreSource implements BackupSource {
  readonly ledger = new StoreLedger();
  readonly store: Store;
  readonly #random = new SeededRandom(5);

  private constructor(store: Store) {
    this.store = store;
  }

  static async open(): Promise<StoreSource> {
    const disk = new MemoryDisk({ random: new SeededRandom(4) });
    return new StoreSource(await openStore(disk, { group: 1 }));
  }

  /** Goes on; old and new tables are there then. */
  async write(entries: number): Promise<void> {
    for (let written = 0; written < entries; written++) {
      this.ledger.write(this.store, drawChanges(this.#random));
    }
    await this.store.flush(pointAt(this.ledger.lastVersion));
    while (await this.store.compact());
  }

  shape() {
    return Promise.resolve({ clusterId: CLUSTER, partitionCount: 1 });
  }

  async *readPartition(_partitionId: number, held: readonly Uint8Array[]): AsyncGenerator<SourcePart> {
    const snapshot = this.store.openSnapshot();
    const { point: { index, term }, tables } = snapshot;
    const known = new Set(held.map((identity) => identity.toHex()));
    const files = tables.map(({ summary }) => (
      { identity: encodeIdentity(summary.identity), bytes: summary.fileBytes }
    ));
    const bytes = encodeSnapshotDescription(snapshot);
    const base = { clusterId: CLUSTER, partitionId: 0, partitionCount: 1, descriptionBytes: bytes.length };
    try {
      yield { kind: "state", ...base, index, term, files };
      yield { kind: "description", bytes };
      for (const [file, { bytes: length, identity }] of files.entries()) {
        if (known.has(identity.toHex())) continue;
        for (let offset = 0; offset < length; offset += PART_BYTES) {
          const data = new Uint8Array(Math.min(PART_BYTES, length - offset));
          snapshot.read(tables[file]!.fileNumber, offset, data);
          yield { kind: "filePart", file, offset, data, crc: crc32c(data) };
        }
      }
      yield { kind: "end" };
    } finally {
      snapshot.release();
    }
  }
}

/** A disk of which a call can be made to fail, or to be the last one. */
class TrialDisk {
  readonly disk: MemoryDisk;
  calls = 0;
  #onCall: ((call: number) => Error | undefined) | undefined;

  constructor(seed: number) {
    this.disk = new MemoryDisk({
      random: new SeededRandom(seed),
      fault: () => this.#onCall?.(this.calls++),
    });
  }

  arm(onCall: ((call: number) => Error | undefined) | undefined): void {
    this.calls = 0;
    this.#onCall = onCall;
  }
}

function backUp(disk: MemoryDisk, source: StoreSource) {
  return makeBackup({ directory: DIRECTORY, source, fileSystem: disk.mount(), wallMs: () => 1_000_000 });
}

/** The rows of every backup that is there, oldest first, in the words of the ledger. */
async function rowsOfAll(disk: MemoryDisk): Promise<readonly (readonly string[])[]> {
  const backups = new BackupDirectory(disk.mount(), DIRECTORY);
  const all: string[][] = [];
  for (const path of await backups.manifests()) {
    const { description } = (await backups.read(path)).manifest.partitions[0]!;
    const place = { fileSystem: backups.fileSystem, pathOf: backups.pathOfRecord.bind(backups) };
    const cursor = await openRestingRows(description, place);
    const rows: string[] = [];
    for (cursor.seek(); cursor.isValid; cursor.next()) {
      const { key, keyEnd, keyStart, value, valueEnd, valueStart, version } = cursor.entry;
      const held = `${value.slice(valueStart, valueEnd).toHex()}@${version}`;
      rows.push(`${key.slice(keyStart, keyEnd).toHex()}=${held}`);
    }
    cursor.close();
    all.push(rows);
  }
  return all;
}

/** A second backup is disturbed at each of its calls; returns how many there are. */
async function disturb(seed: number, at: number, happen: (trial: TrialDisk) => Error): Promise<boolean> {
  const source = await StoreSource.open();
  await source.write(40);
  const trial = new TrialDisk(seed);
  await backUp(trial.disk, source);
  const first = source.ledger.rows(source.ledger.lastVersion);
  await source.write(25);
  const second = source.ledger.rows(source.ledger.lastVersion);
  let isReached = false;
  trial.arm((call) => {
    if (call !== at) return undefined;
    isReached = true;
    return happen(trial);
  });
  const failure = await backUp(trial.disk, source).then(() => undefined, (error) => error);
  trial.arm(undefined);
  const what = `seed ${seed}, call ${at}`;
  const left = await rowsOfAll(trial.disk);
  assert.equal(left[0], first, what);
  if (left.length > 1) assert.equal(left[1], second, what);
  if (failure === undefined) assert.is(left.length, 2, what);
  const { problems } = await verifyBackups({
    directory: DIRECTORY,
    all: true,
    fileSystem: trial.disk.mount(),
  });
  assert.equal(problems, [], what);
  await backUp(trial.disk, source);
  assert.equal((await rowsOfAll(trial.disk)).at(-1), second, what);
  await source.store.close();
  return isReached;
}

test("a call that fails leaves what was there, and the next run makes a backup", async () => {
  let calls = 0;
  while (await disturb(1, calls, () => new Error("the disk refuses it"))) calls++;
  assert.ok(calls > 30, `${calls} calls`);
});

test("a loss of power leaves what was there, and the next run makes a backup", async () => {
  for (const seed of SEEDS) {
    let calls = 0;
    const crash = ({ disk }: TrialDisk) => {
      disk.crash();
      return new Error("the power is gone");
    };
    while (await disturb(seed, calls, crash)) calls++;
    assert.ok(calls > 30, `${calls} calls`);
  }
});

test("a backup that was acknowledged survives a loss of power", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const source = await StoreSource.open();
    await source.write(30);
    const { disk } = new TrialDisk(seed);
    await backUp(disk, source);
    disk.crash();
    assert.equal(await rowsOfAll(disk), [source.ledger.rows(source.ledger.lastVersion)], `seed ${seed}`);
    await source.store.close();
  }
});

test.run();
