/**
 * The state store beside `classic-level`, in one run: random upserts with flush and compaction, random gets
 * of keys that are there and that are not, scans of 1,000 rows, and one key written over and over. Rates by
 * the clock and by processor time of the whole process, threads included.
 *
 * Keys have 16 bytes, values 100; both have the same cache and memtable, and no compression. Reads are
 * measured with a cache for a part of the data, and with one for all of it ("cached"). prkdb checks every
 * block that it reads; `classic-level` maps its files into memory and checks no block, which cannot be
 * chosen.
 *
 * `deno task bench:store [--json] [--full] [--only prkdb] [--directory DIR]`
 *
 * @module
 */

import { processorSecondsOf } from "./machine.ts";
import { type Figure, machine, printFigures } from "./report.ts";
import {
  openClassicLevel,
  PrkdbContender,
  type StoreBenchOptions,
  type StoreContender,
} from "./store_contenders.ts";

/** How much is done. */
interface Sizes {
  readonly upserts: number;
  /** Of the store that is read. */
  readonly keys: number;
  readonly reads: number;
  readonly scannedRows: number;
  readonly overwrites: number;
  readonly store: Omit<StoreBenchOptions, "directory">;
}

const MIB = 1024 * 1024;
const FULL: Sizes = {
  upserts: 5_000_000,
  keys: 1_000_000,
  reads: 300_000,
  scannedRows: 2_000_000,
  overwrites: 1_048_576,
  store: { cacheBytes: 32 * MIB, memtableBytes: 32 * MIB, level1Bytes: 64 * MIB },
};
const SMALL: Sizes = {
  upserts: 500_000,
  keys: 150_000,
  reads: 60_000,
  scannedRows: 300_000,
  overwrites: 65_536,
  store: { cacheBytes: 5 * MIB, memtableBytes: 8 * MIB, level1Bytes: 16 * MIB },
};
/** For the store that is read: small enough that three levels have something. */
const READ_LEVEL1_SHARE = 1 / 16;
const KEY_BYTES = 16;
const VALUE = new Uint8Array(100).fill(118);
const PAGE_ROWS = 1_000;
const BATCH_KEYS = 20_000;
/** Made in advance, so that making them is not measured. */
const DRAWN_KEYS = 60_000;

const WORKLOADS = [
  "upsert",
  "get",
  "miss",
  "scan",
  "get_cached",
  "miss_cached",
  "scan_cached",
  "overwrite",
];

const isFull = Deno.args.includes("--full");
const sizes = isFull ? FULL : SMALL;
const figures: Figure[] = [];

await main();

async function main(): Promise<void> {
  const flag = Deno.args.indexOf("--directory");
  const root = Deno.makeTempDirSync(flag < 0 ? {} : { dir: Deno.args[flag + 1]! });
  note(`${machine()}; ${sizes.upserts} upserts, ${sizes.keys} keys to read`);
  try {
    for (const open of openers()) {
      await benchUpserts(open, `${root}/upserts`);
      await benchReads(open, `${root}/reads`);
      await benchOverwrites(open, `${root}/overwrites`);
    }
    addRatios();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
  printFigures(figures, Deno.args.includes("--json"));
}

type Open = (options: StoreBenchOptions) => Promise<StoreContender | undefined>;

function openers(): readonly Open[] {
  const own: Open = (options) => PrkdbContender.open(options);
  return Deno.args.includes("--only") ? [own] : [openClassicLevel, own];
}

async function benchUpserts(open: Open, directory: string): Promise<void> {
  const store = await open({ ...sizes.store, directory: emptied(directory) });
  if (store === undefined) return;
  const before = Deno.memoryUsage().rss;
  let most = before;
  await measure(`store_upsert_${store.name}`, sizes.upserts, async () => {
    await load(store, sizes.upserts, () => most = Math.max(most, Deno.memoryUsage().rss));
    await store.settle();
  });
  const userBytes = sizes.upserts * (KEY_BYTES + VALUE.length);
  if (store.writtenBytes > 0) {
    report(`store_write_amplification_${store.name}`, store.writtenBytes / userBytes, "x");
  }
  report(`store_space_amplification_${store.name}`, bytesIn(directory) / userBytes, "x");
  report(`store_upsert_grown_most_${store.name}`, (most - before) / MIB, "MiB");
  note(`${store.name} after upserts: ${store.describe()}`);
  await store.close();
}

async function benchReads(open: Open, directory: string): Promise<void> {
  const userBytes = sizes.keys * (KEY_BYTES + VALUE.length);
  const level1Bytes = Math.ceil(userBytes * READ_LEVEL1_SHARE);
  const options = { ...sizes.store, level1Bytes, memtableBytes: level1Bytes, directory: emptied(directory) };
  const store = await open(options);
  if (store === undefined) return;
  await load(store, sizes.keys);
  await store.settle();
  note(`${store.name} to be read: ${store.describe()}`);
  await measureReads(store, "");
  await store.close();
  const cached = (await open({ ...options, cacheBytes: 2 * userBytes }))!;
  // Scans fill no cache, gets do.
  const all = Array.from({ length: sizes.keys }, (_, number) => keyAt(number));
  readKeys(cached, { keys: all, count: sizes.keys, wanted: VALUE.length });
  await measureReads(cached, "_cached");
  await cached.close();
}

/** @param suffix of the workloads' names */
async function measureReads(store: StoreContender, suffix: string): Promise<void> {
  const count = sizes.reads;
  const present = drawKeys(0);
  const missing = drawKeys(sizes.keys);
  readKeys(store, { keys: present, count: count / 10, wanted: VALUE.length });
  await measure(`store_get${suffix}_${store.name}`, count, () => {
    readKeys(store, { keys: present, count, wanted: VALUE.length });
  });
  await measure(`store_miss${suffix}_${store.name}`, count, () => {
    readKeys(store, { keys: missing, count, wanted: -1 });
  });
  await measure(`store_scan${suffix}_${store.name}`, sizes.scannedRows, async () => {
    for (let rows = 0, next = 0; rows < sizes.scannedRows; next++) {
      rows += await store.scan(present[next % present.length]!, PAGE_ROWS);
    }
  });
}

async function benchOverwrites(open: Open, directory: string): Promise<void> {
  const store = await open({ ...sizes.store, directory: emptied(directory) });
  if (store === undefined) return;
  const keys = new Array<Uint8Array>(1_024).fill(keyAt(1));
  const value = new Uint8Array(1_024).fill(7);
  const before = Deno.memoryUsage().rss;
  let most = 0;
  await measure(`store_overwrite_${store.name}`, sizes.overwrites, async () => {
    for (let done = 0; done < sizes.overwrites; done += keys.length) {
      await store.put(keys, value);
      most = Math.max(most, bytesIn(directory));
    }
    await store.settle();
  });
  report(`store_overwrite_disk_most_${store.name}`, most / MIB, "MiB");
  report(`store_overwrite_grown_${store.name}`, (Deno.memoryUsage().rss - before) / MIB, "MiB");
  await store.close();
}

async function load(store: StoreContender, count: number, eachBatch: () => void = () => {}): Promise<void> {
  for (let first = 0; first < count; first += BATCH_KEYS) {
    const length = Math.min(BATCH_KEYS, count - first);
    await store.put(Array.from({ length }, (_, position) => keyAt(first + position)), VALUE);
    eachBatch();
  }
}

/** What is read, and how many bytes should be found. */
interface Reading {
  readonly keys: readonly Uint8Array[];
  readonly count: number;
  readonly wanted: number;
}

/** Gets `count` of the keys in their order, from the first again behind the last. */
function readKeys(store: StoreContender, { keys, count, wanted }: Reading): void {
  for (let number = 0; number < count; number++) {
    const found = store.get(keys[number % keys.length]!);
    if (found !== wanted) throw new Error(`Cannot go on as a get found ${found} bytes instead of ${wanted}`);
  }
}

/** Keys of which none is likelier than another, from number `first` on. */
function drawKeys(first: number): Uint8Array[] {
  return Array.from({ length: DRAWN_KEYS }, (_, number) => keyAt(first + scattered(number, sizes.keys)));
}

/** A key that looks random, the same for the same number; user keys of the store begin with 1. */
function keyAt(number: number): Uint8Array {
  const key = new Uint8Array(1 + KEY_BYTES);
  const view = new DataView(key.buffer);
  key[0] = 1;
  for (let word = 0; word < 4; word++) view.setUint32(1 + 4 * word, mixed(number * 4 + word));
  return key;
}

function scattered(number: number, count: number): number {
  return mixed(number + 0x51ed27) % count;
}

function mixed(value: number): number {
  let word = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 15), 0xc2b2ae35);
  word = Math.imul(word ^ (word >>> 13), 0x27d4eb2f);
  return (word ^ (word >>> 16)) >>> 0;
}

/** Rate by the clock, and microseconds of processor for each. */
async function measure(name: string, count: number, body: () => Promise<void> | void): Promise<void> {
  const processor = processorSecondsOf(Deno.pid);
  const started = performance.now();
  await body();
  const seconds = (performance.now() - started) / 1000;
  report(name, count / seconds, "/s");
  report(`${name}_processor`, ((processorSecondsOf(Deno.pid) - processor) / count) * 1e6, "us");
}

/** How many times as much processor `classic-level` takes. */
function addRatios(): void {
  for (const workload of WORKLOADS) {
    const own = figures.find(({ name }) => name === `store_${workload}_prkdb_processor`);
    const other = figures.find(({ name }) => name === `store_${workload}_classic_level_processor`);
    if (own === undefined || other === undefined) continue;
    report(`store_${workload}_ratio`, other.value / own.value, "x");
  }
}

function emptied(directory: string): string {
  try {
    Deno.removeSync(directory, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return directory;
}

function bytesIn(directory: string): number {
  let bytes = 0;
  for (const { name, isFile } of Deno.readDirSync(directory)) {
    if (!isFile) continue;
    try {
      bytes += Deno.statSync(`${directory}/${name}`).size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return bytes;
}

function report(name: string, value: number, unit: string): void {
  figures.push({ name, value, unit });
}

/** For people; figures alone go to the output. */
function note(text: string): void {
  console.error(text);
}
