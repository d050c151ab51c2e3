/**
 * What the log costs, against what the disk and the runtime allow, measured in one run on the same bytes.
 *
 * (a) `Deno.FsFile.writeSync` of prebuilt frames, the same few again and again, so that they stay in the
 * processor's cache: the limit. ("cold": every frame from memory of its own; "grow": into a file that is not
 * prepared.) (b) The whole append path from separate key and value arrays, unsynced. (c) The same, synced per
 * batch. (d) One log in each of one and two Workers. (e) CRC-32C alone. (f) Recovery. Medians of several
 * rounds; raw and append rounds alternate, so that both meet the same machine.
 *
 * `deno task bench:wal [--json] [--quick] [--directory DIR]`
 *
 * @module
 */

import { crc32c } from "../wal-wasm/mod.ts";
import {
  BenchLog,
  makeBatch,
  measureAllocation,
  measureRecovery,
  median,
  openPreparedFile,
  type RawFile,
} from "./wal_bench_log.ts";

/** Bytes of key and value together. */
const RECORD_BYTES = [16, 100, 1024, 65_536];
const BATCH_RECORDS = [1, 10, 100, 1000, 10_000];
/** Bytes of records a round appends; a batch larger than this is appended once. */
const ROUND_BYTES = 10 * 1024 * 1024;
const SYNCED_ROUND_BATCHES = 40;
/** Synced batches above this size measure the disk's bandwidth and nothing else. */
const SYNCED_BATCH_BYTES_MAX = 16 * 1024 * 1024;

/** One line of the result. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const isQuick = Deno.args.includes("--quick");
const rounds = isQuick ? 3 : 5;
const figures: Figure[] = [];

await main();

async function main(): Promise<void> {
  const directory = makeDirectory();
  try {
    note(
      `${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores`,
    );
    note(
      "(a) and (b): nothing is synced. Frames overwrite prepared segments of 64 MiB. M records/s, MB/s of frames",
    );
    for (const bytes of RECORD_BYTES) {
      for (const records of BATCH_RECORDS) await benchUnsynced(directory, { bytes, records });
    }
    note("(c): every batch is synced (fdatasync) before the next is appended");
    for (const bytes of RECORD_BYTES) {
      for (const records of BATCH_RECORDS) await benchSynced(directory, { bytes, records });
    }
    await benchWorkers(directory);
    benchCrc();
    await benchRecovery(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  printFigures();
}

function makeDirectory(): string {
  const flag = Deno.args.indexOf("--directory");
  const parent = flag < 0 ? undefined : Deno.args[flag + 1];
  return Deno.makeTempDirSync(parent === undefined ? {} : { dir: parent });
}

/** (a) and (b) for one size of record and batch. */
async function benchUnsynced(directory: string, cell: { bytes: number; records: number }): Promise<void> {
  const batch = makeBatch(cell);
  const batchBytes = cell.bytes * cell.records;
  const batches = Math.max(1, Math.min(50_000, Math.floor(ROUND_BYTES / batchBytes)));
  const isSpread = batches === 1 && batchBytes > ROUND_BYTES;
  const log = await BenchLog.open(`${directory}/unsynced`, { kind: "never" });
  const raw = openPreparedFile(`${directory}/raw`);
  const appended: number[] = [];
  const written: number[] = [];
  try {
    await log.append(batch, 1);
    const frames = log.prebuiltFrames();
    for (let round = 0; round < (isSpread ? 1 : rounds); round++) {
      appended.push(await log.append(batch, batches));
      written.push(writeRaw(raw, frames, batches));
    }
    const frameBytes = frames.reduce((total, frame) => total + frame.length, 0) * batches;
    const name = `${cell.bytes}b_x${cell.records}`;
    report(`wal_append_unsynced_${name}`, batches * cell.records / median(appended) / 1000, "M/s");
    report(`wal_raw_write_${name}`, batches * cell.records / median(written) / 1000, "M/s");
    const appendRate = frameBytes / median(appended) / 1000;
    const rawRate = frameBytes / median(written) / 1000;
    report(`wal_append_of_raw_${name}`, median(written) / median(appended), "ratio");
    note(
      `${name.padEnd(14)} append ${show(appendRate)} MB/s, raw ${show(rawRate)} MB/s${
        isSpread ? " (waits for segments to be made)" : ""
      }`,
    );
    if (cell.bytes === 100 && cell.records === 10_000) {
      report("wal_append_allocation_100b_x10000", await measureAllocation(log, batch), "B/record");
      const copies = Array.from({ length: batches }, () => frames.map((frame) => frame.slice())).flat();
      report(
        "wal_raw_write_cold_100b_x10000",
        batches * cell.records / writeRaw(raw, copies, 1) / 1000,
        "M/s",
      );
      report("wal_raw_grow_100b_x10000", growingRate(directory, frames, batches) * cell.records, "M/s");
    }
  } finally {
    raw.close();
    await log.remove();
  }
}

/**
 * Milliseconds of writing `frames` `times` times behind each other, from the start of the file if it is full.
 */
function writeRaw(raw: RawFile, frames: readonly Uint8Array[], times: number): number {
  const started = performance.now();
  for (let count = 0; count < times; count++) {
    for (const frame of frames) raw.write(frame);
  }
  return performance.now() - started;
}

/** The same into a file that grows, as a log without prepared segments does; million batches a second. */
function growingRate(directory: string, frames: readonly Uint8Array[], times: number): number {
  const elapsed: number[] = [];
  for (let round = 0; round < rounds; round++) {
    using file = Deno.openSync(`${directory}/growing`, { create: true, write: true, truncate: true });
    const started = performance.now();
    for (let count = 0; count < times; count++) {
      for (const frame of frames) file.writeSync(frame);
    }
    elapsed.push(performance.now() - started);
  }
  Deno.removeSync(`${directory}/growing`);
  return times / median(elapsed) / 1000;
}

/** (c) for one size of record and batch. */
async function benchSynced(directory: string, cell: { bytes: number; records: number }): Promise<void> {
  if (cell.bytes * cell.records > SYNCED_BATCH_BYTES_MAX) return;
  const batch = makeBatch(cell);
  const log = await BenchLog.open(`${directory}/synced`, { kind: "always" });
  const batches = Math.min(SYNCED_ROUND_BATCHES, Math.ceil(ROUND_BYTES / (cell.bytes * cell.records)));
  try {
    const elapsed: number[] = [];
    for (let round = 0; round < (isQuick ? 1 : 3); round++) elapsed.push(await log.append(batch, batches));
    const name = `${cell.bytes}b_x${cell.records}`;
    report(`wal_append_synced_${name}`, batches * cell.records / median(elapsed), "k/s");
    report(`wal_append_synced_batch_${name}`, median(elapsed) / batches, "ms");
  } finally {
    await log.remove();
  }
}

/** (d): the same work by logs of their own in Workers; records of all of them together. */
async function benchWorkers(directory: string): Promise<void> {
  note("(d): 100 B x 10,000, unsynced, one log in each Worker, all at once");
  for (const count of [1, 2]) {
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) rates.push(await runWorkers(directory, count));
    report(`wal_append_unsynced_workers_${count}`, median(rates), "M/s");
  }
}

async function runWorkers(directory: string, count: number): Promise<number> {
  const workers = Array.from({ length: count }, () => {
    return new Worker(new URL("./wal_bench_worker.ts", import.meta.url), { type: "module" });
  });
  const answer = (worker: Worker, message: unknown) =>
    new Promise<{ records: number; elapsedMs: number }>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(message);
    });
  try {
    await Promise.all(
      workers.map((worker, index) => answer(worker, { open: `${directory}/worker-${index}` })),
    );
    const started = performance.now();
    const results = await Promise.all(workers.map((worker) => answer(worker, { append: 40 })));
    const elapsedMs = performance.now() - started;
    await Promise.all(workers.map((worker) => answer(worker, { close: true })));
    return results.reduce((total, { records }) => total + records, 0) / elapsedMs / 1000;
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

/** (e) */
function benchCrc(): void {
  note("(e): CRC-32C, with the copy into the module's memory");
  for (const size of [100, 1024, 65_536, 1_048_576]) {
    const bytes = crypto.getRandomValues(new Uint8Array(Math.min(size, 65_536)));
    const input = new Uint8Array(size).map((_, index) => bytes[index % bytes.length]!);
    const times = Math.ceil(32 * 1024 * 1024 / size);
    const elapsed: number[] = [];
    let crc = 0;
    for (let round = 0; round < rounds; round++) {
      const started = performance.now();
      for (let count = 0; count < times; count++) crc = crc32c(input, crc);
      elapsed.push(performance.now() - started);
    }
    report(`wal_crc_${size}b`, size * times / median(elapsed) / 1000, "MB/s");
  }
}

/** (f) */
async function benchRecovery(directory: string): Promise<void> {
  note("(f): recovery of a closed log of 256 MB from the page cache, every record visited");
  for (const bytes of [100, 1024]) {
    const rate = await measureRecovery(`${directory}/recovery`, {
      bytes,
      totalBytes: 256_000_000,
      rounds: 3,
    });
    report(`wal_recovery_${bytes}b`, rate, "MB/s");
  }
}

function report(name: string, value: number, unit: string): void {
  figures.push({ name, value, unit });
}

function note(text: string): void {
  if (!Deno.args.includes("--json")) console.log(text);
}

function printFigures(): void {
  if (Deno.args.includes("--json")) {
    console.log(JSON.stringify(figures, null, 2));
    return;
  }
  for (const { name, value, unit } of figures) console.log(`${name} ${show(value)} ${unit}`);
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toPrecision(3);
}
