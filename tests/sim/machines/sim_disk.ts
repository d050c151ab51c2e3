/**
 * The disk of one machine: the disk in memory, with the latency and the faults of the moment. It outlives the
 * processes that use it.
 *
 * @module
 */

import type { FileSystem } from "../../../wal-wasm/mod.ts";
import { segmentName } from "../../../wal-wasm/segment_header.ts";
import { type DiskCall, MemoryDisk } from "../../support/disk/memory_file_system.ts";
import type { CrashOdds } from "../../support/disk/memory_inode.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { SimProcess } from "./process.ts";

/** What a faulty disk answers. */
export class SimulatedDiskError extends Error {
  override readonly name = "SimulatedDiskError";
}

/** Which calls of a broken disk fail, now and then. */
export type BrokenPart = "read" | "write" | "sync";

/** Of calls that need no sync, in milliseconds. */
const SHORT_MS_MAX = 0.2;
/** Of a disk that is having trouble. */
const SLOW_MS_MAX = 1_000;
/** A disk that fails does not fail every time. */
const BROKEN_PERCENT = 30;

/** What a disk is made with. */
export interface SimDiskOptions {
  readonly random: SeededRandom;
  readonly syncMsMax: number;
}

/** Where a log ends. */
interface LogEnd {
  readonly segment: number;
  readonly offset: number;
}

/** Files of a disk at some moment, by path. */
export type DiskCopy = ReadonlyMap<string, Uint8Array>;

/** See the module comment. */
export class SimDisk {
  readonly #memory: MemoryDisk;
  readonly #random: SeededRandom;
  readonly #syncMsMax: number;
  #process: SimProcess | undefined;
  isSlow = false;
  isFull = false;
  /** Descriptors the process has left; somebody else may have all others. */
  #descriptorsLeft = Infinity;
  broken: BrokenPart | undefined;
  /** Errors it has answered since the last mount. */
  faults = 0;
  /** Of those, the ones after which a log must not be written any more. */
  finalFaults = 0;

  constructor(options: SimDiskOptions) {
    this.#random = options.random;
    this.#syncMsMax = options.syncMsMax;
    this.#memory = new MemoryDisk({
      random: options.random,
      fault: (call) => this.#fault(call),
      delay: (call) => this.#delay(call),
      onClose: () => void this.#descriptorsLeft++,
    });
  }

  /** Somebody takes every descriptor that the process does not hold, or gives them all back. */
  set isOutOfDescriptors(isOut: boolean) {
    this.#descriptorsLeft = isOut ? 0 : Infinity;
  }

  /** For the next process; the one before must be gone. */
  mount(process: SimProcess): FileSystem {
    this.#process = process;
    this.faults = 0;
    this.finalFaults = 0;
    if (this.#descriptorsLeft < Infinity) this.#descriptorsLeft = DESCRIPTORS_AT_START;
    return this.#memory.mount();
  }

  /** The power went: what was not synced may be lost, sector by sector. */
  crash(): void {
    const odds: readonly CrashOdds[] = [
      { lostPercent: 100, garbledPercent: 0 },
      { lostPercent: 50, garbledPercent: 10 },
      { lostPercent: 10, garbledPercent: 40 },
      { lostPercent: 0, garbledPercent: 0 },
    ];
    this.#memory.crash(this.#random.pick(odds));
  }

  /** The process went; the system keeps what it was given. */
  kill(): void {
    this.#memory.kill();
  }

  /**
   * Damages bytes that lie still, where the log is certain to have frames behind them that tell.
   *
   * @param end the segment and offset where the log ended
   * @returns whether there was anything to damage
   */
  damage(directory: string, end: LogEnd): boolean {
    const isCurrent = end.offset > 2 * PAGE_BYTES;
    const name = segmentName(isCurrent ? end.segment : end.segment - 1);
    const path = this.#memory.paths().find((each) => each.startsWith(directory) && each.endsWith(name));
    if (path === undefined) return false;
    const content = this.#memory.content(path);
    const used = Math.floor((isCurrent ? end.offset : content.length) / 2);
    if (this.#random.chance(50)) content[this.#random.below(used)]! ^= 1 << this.#random.below(8);
    else {
      // A write that went to the wrong place.
      const source = this.#random.below(used - SECTOR_BYTES);
      content.copyWithin(this.#random.below(used - SECTOR_BYTES), source, source + SECTOR_BYTES);
    }
    return true;
  }

  /** Removes the log: its files, or its segments only. */
  removeLog(directory: string): void {
    const ending = this.#random.chance(50) ? "" : ".wal";
    for (const path of this.#memory.paths()) {
      if (path.startsWith(`${directory}/`) && path.endsWith(ending)) this.#memory.lose(path);
    }
  }

  /**
   * A bit changes in a file whose path holds `part`.
   *
   * @returns whether there was one
   */
  rot(part: string): boolean {
    const paths = this.#memory.paths().filter((path) =>
      path.includes(part) && this.#memory.content(path).length > 0
    );
    if (paths.length === 0) return false;
    const content = this.#memory.content(this.#random.pick(paths));
    content[this.#random.below(content.length)]! ^= 1 << this.#random.below(8);
    return true;
  }

  /** All files as they are; no process may use them. */
  copy(): DiskCopy {
    return new Map(this.#memory.paths().map((path) => [path, this.#memory.content(path).slice()]));
  }

  /** Replaces everything by an earlier copy. */
  putBack(copy: DiskCopy): void {
    for (const path of this.#memory.paths()) this.#memory.lose(path);
    for (const [path, content] of copy) this.#memory.place(path, content);
  }

  #fault(call: DiskCall): Error | undefined {
    const error = this.#drawFault(call);
    if (error === undefined) return undefined;
    this.faults++;
    const isOfLog = call.operation === "writeSync" || call.operation === "syncData";
    if (isOfLog && call.path.endsWith(".wal")) this.finalFaults++;
    return error;
  }

  #drawFault({ operation, path }: DiskCall): Error | undefined {
    // Segments are filled in advance: what is full has no room for new files, but takes what overwrites old
    // bytes.
    if (NEEDING_DESCRIPTOR.has(operation) && this.#descriptorsLeft === 0) return noDescriptor(path);
    // The others give theirs back at once.
    if (operation === "open" || operation === "create") this.#descriptorsLeft--;
    if (this.isFull && (operation === "create" || operation === "write")) {
      return new SimulatedDiskError(`no space left for ${path}`);
    }
    if (this.broken === undefined || !FAILING[this.broken].includes(operation)) return undefined;
    if (!this.#random.chance(BROKEN_PERCENT)) return undefined;
    return new SimulatedDiskError(`${operation} of ${path} failed`);
  }

  #delay({ operation }: DiskCall): Promise<void> {
    const process = this.#process!;
    const most = this.isSlow
      ? SLOW_MS_MAX
      : operation === "syncData" || operation === "syncDirectory"
      ? this.#syncMsMax
      : SHORT_MS_MAX;
    const delayMs = (this.#random.below(most * 1_000) * (this.#random.chance(80) ? 0.2 : 1)) / 1_000;
    return new Promise((resolve) => void process.plan(delayMs, operation, resolve));
  }
}

function noDescriptor(path: string): Error {
  return Object.assign(new SimulatedDiskError(`too many open files: ${path}`), { code: "EMFILE" });
}

/** A process that starts while others have taken most of them. */
const DESCRIPTORS_AT_START = 16;
const NEEDING_DESCRIPTOR: ReadonlySet<DiskCall["operation"]> = new Set([
  "open",
  "create",
  "list",
  "syncDirectory",
  "lock",
]);
const PAGE_BYTES = 4_096;
const SECTOR_BYTES = 512;

const FAILING: Readonly<Record<BrokenPart, readonly DiskCall["operation"][]>> = {
  read: ["open", "readSync", "size", "list"],
  write: ["create", "rename", "remove", "writeSync", "write"],
  sync: ["syncData", "syncDirectory"],
};
