/**
 * What the tests of the log have in common: a log on a simulated disk, and records that can be told apart.
 *
 * @module
 */

import {
  type RecoveryReport,
  SYSTEM_TIMER,
  Wal,
  type WalOptions,
  type WalRecord,
  type WalTimer,
} from "../../wal-wasm/mod.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** Directory of the log of the tests. */
export const DIRECTORY = "data/wal";

/** Identity of the log of the tests. */
export const CLUSTER_ID = "00112233445566778899aabbccddeeff";

/** Time that does not wait for logs that a test has left behind, whose disk is gone. */
const TIMER: WalTimer = {
  now: SYSTEM_TIMER.now,
  after: (delayMs, callback) => {
    const handle = setTimeout(callback, delayMs);
    Deno.unrefTimer(handle);
    return () => clearTimeout(handle);
  },
};

/** A disk without faults. */
export function quietDisk(seed = 1): MemoryDisk {
  return new MemoryDisk({ random: new SeededRandom(seed) });
}

/** Opens a log, not recovered yet. */
export function openWal(disk: MemoryDisk, options: Partial<WalOptions> = {}): Promise<Wal> {
  let word = 0x1234;
  return Wal.open({
    fileSystem: disk.mount(),
    directory: DIRECTORY,
    clusterId: CLUSTER_ID,
    nodeId: 7,
    segmentBytes: 16_384,
    sync: { kind: "always" },
    randomWord: () => word++,
    timer: TIMER,
    ...options,
  });
}

/** What a recovered log held, one line a record. */
export interface Recovered {
  readonly wal: Wal;
  readonly report: RecoveryReport;
  readonly lines: readonly string[];
}

/** Opens a log and recovers it. */
export async function recoverWal(disk: MemoryDisk, options: Partial<WalOptions> = {}): Promise<Recovered> {
  const wal = await openWal(disk, options);
  const lines: string[] = [];
  const report = await wal.recover(({ group, kind, payload }) =>
    lines.push(`${group} ${kind} ${payload.toHex()}`)
  );
  return { wal, report, lines };
}

/** Record number `id`, of `bytes` bytes: its group, kind and content follow from the number. */
export function makeRecord(id: number, bytes = 24): WalRecord {
  const payload = new SeededRandom(id).bytes(Math.max(4, bytes));
  new DataView(payload.buffer).setUint32(0, id, true);
  const cut = Math.min(8, payload.length);
  return { group: id % 5, kind: id % 7, head: payload.subarray(0, cut), body: payload.subarray(cut) };
}

/** Records `from` to below `to`. */
export function makeRecords(from: number, to: number, bytes = 24): WalRecord[] {
  return Array.from({ length: to - from }, (_, index) => makeRecord(from + index, bytes));
}

/** The line `recoverWal` makes of a record. */
export function lineOf({ group, kind, head, body }: WalRecord): string {
  return `${group} ${kind} ${head.toHex()}${body.toHex()}`;
}

/** The lines of several batches. */
export function linesOf(records: readonly WalRecord[]): string[] {
  return records.map(lineOf);
}

/** The files of the log that are segments, sorted. */
export function segmentPaths(disk: MemoryDisk): string[] {
  return disk.paths().filter((path) => path.endsWith(".wal"));
}
