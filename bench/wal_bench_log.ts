/**
 * The things `wal_bench.ts` measures: a log on the real disk with its segments prepared, and a plain file
 * prepared in the same way.
 *
 * @module
 */

import {
  DenoFileSystem,
  type FileSystem,
  type StoredFile,
  type SyncPolicy,
  Wal,
  type WalRecord,
} from "../wal-wasm/mod.ts";

const SEGMENT_BYTES = 64 * 1024 * 1024;
const KEY_BYTES_MAX = 16;
/** Where frames begin in a segment; the plain file is treated alike. */
const FIRST_OFFSET = 4096;

/** The middle one. */
export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1]!;
}

/**
 * A batch with keys and values in arrays of their own, over 64 groups in ascending order, as a node writes
 * them.
 */
export function makeBatch(cell: { readonly bytes: number; readonly records: number }): WalRecord[] {
  const keyBytes = Math.min(KEY_BYTES_MAX, cell.bytes / 2);
  return Array.from({ length: cell.records }, (_, index) => ({
    group: Math.floor(index * 64 / cell.records),
    kind: 1,
    head: crypto.getRandomValues(new Uint8Array(keyBytes)),
    // One value for all of the large ones, or the batch alone would fill the memory.
    body: cell.bytes > 4096 ? largeValue(cell.bytes - keyBytes) : crypto.getRandomValues(
      new Uint8Array(cell.bytes - keyBytes),
    ),
  }));
}

const largeValues = new Map<number, Uint8Array>();

function largeValue(bytes: number): Uint8Array {
  const value = largeValues.get(bytes) ?? crypto.getRandomValues(new Uint8Array(bytes));
  largeValues.set(bytes, value);
  return value;
}

/** Writes through to the real disk, and can hand out what was written since it was asked to remember. */
class RecordingFileSystem extends DenoFileSystem implements FileSystem {
  frames: Uint8Array[] | undefined;
  readonly ready = new Set<string>();

  override async open(path: string): Promise<StoredFile> {
    const file = await super.open(path);
    this.ready.add(path);
    const writeSync = file.writeSync.bind(file);
    file.writeSync = (bytes, position) => {
      if (position > 0) this.frames?.push(bytes.slice());
      writeSync(bytes, position);
    };
    return file;
  }
}

/** A log whose next segment lies ready. */
export class BenchLog {
  readonly #wal: Wal;
  readonly #directory: string;
  readonly #fileSystem: RecordingFileSystem;

  private constructor(wal: Wal, directory: string, fileSystem: RecordingFileSystem) {
    this.#wal = wal;
    this.#directory = directory;
    this.#fileSystem = fileSystem;
  }

  static async open(directory: string, sync: SyncPolicy): Promise<BenchLog> {
    const fileSystem = new RecordingFileSystem();
    const wal = await openWal(directory, { fileSystem, sync });
    await wal.recover(() => {});
    while (!fileSystem.ready.has(`${directory}/0000000000000002.wal`)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    fileSystem.frames = [];
    return new BenchLog(wal, directory, fileSystem);
  }

  /** Milliseconds of appending `batch` `times` times, each awaited. */
  async append(batch: readonly WalRecord[], times: number): Promise<number> {
    const started = performance.now();
    for (let count = 0; count < times; count++) await this.#wal.append(batch);
    return performance.now() - started;
  }

  /** Copies of the frames written so far; from now on nothing is copied. */
  prebuiltFrames(): Uint8Array[] {
    const frames = this.#fileSystem.frames ?? [];
    this.#fileSystem.frames = undefined;
    return frames;
  }

  close(): Promise<void> {
    return this.#wal.close();
  }

  async remove(): Promise<void> {
    await this.#wal.close();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

function openWal(
  directory: string,
  options: { readonly fileSystem: FileSystem; readonly sync: SyncPolicy },
): Promise<Wal> {
  return Wal.open({
    ...options,
    directory,
    clusterId: "00112233445566778899aabbccddeeff",
    nodeId: 1,
    segmentBytes: SEGMENT_BYTES,
  });
}

/** A plain file, written with zeros and synced, that is overwritten from its start when it is full. */
export interface RawFile {
  write(frame: Uint8Array): void;
  close(): void;
}

/** Makes and opens a {@linkcode RawFile}. */
export function openPreparedFile(path: string): RawFile {
  const file = Deno.openSync(path, { create: true, write: true, truncate: true });
  const zeros = new Uint8Array(1024 * 1024);
  for (let written = 0; written < SEGMENT_BYTES; written += zeros.length) file.writeSync(zeros);
  file.syncDataSync();
  file.seekSync(FIRST_OFFSET, Deno.SeekMode.Start);
  let position = FIRST_OFFSET;
  return {
    write: (frame) => {
      if (position + frame.length > SEGMENT_BYTES) {
        file.seekSync(FIRST_OFFSET, Deno.SeekMode.Start);
        position = FIRST_OFFSET;
      }
      if (file.writeSync(frame) !== frame.length) {
        throw new Error("Cannot compare as a raw write was cut short");
      }
      position += frame.length;
    },
    close: () => {
      file.close();
      Deno.removeSync(path);
    },
  };
}

/**
 * Bytes by which the heap grows for each record appended, least of several tries, as anything may collect or
 * grow.
 */
export async function measureAllocation(log: BenchLog, batch: readonly WalRecord[]): Promise<number> {
  const tries: number[] = [];
  for (let count = 0; count < 5; count++) {
    const before = Deno.memoryUsage();
    await log.append(batch, 1);
    const after = Deno.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    if (grown >= 0) tries.push(grown / batch.length);
  }
  return tries.length === 0 ? NaN : median(tries);
}

/** MB of log recovered a second, median of several restarts. */
export async function measureRecovery(
  directory: string,
  options: { readonly bytes: number; readonly totalBytes: number; readonly rounds: number },
): Promise<number> {
  const batch = makeBatch({ bytes: options.bytes, records: 1000 });
  const log = await BenchLog.open(directory, { kind: "never" });
  log.prebuiltFrames();
  await log.append(batch, Math.ceil(options.totalBytes / (1000 * options.bytes)));
  await log.close();
  const rates: number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    const wal = await openWal(directory, { fileSystem: new DenoFileSystem(), sync: { kind: "never" } });
    let payloadBytes = 0;
    const started = performance.now();
    const { byteCount } = await wal.recover(({ payload }) => payloadBytes += payload.length);
    rates.push(byteCount / (performance.now() - started) / 1000);
    if (payloadBytes < options.totalBytes) throw new Error(`Cannot measure: ${payloadBytes} bytes came back`);
    await wal.close();
  }
  Deno.removeSync(directory, { recursive: true });
  return median(rates);
}
