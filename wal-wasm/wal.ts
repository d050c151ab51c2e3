/**
 * The write-ahead log of a node: records of all groups, made durable together, read only at the start.
 *
 * ```
 * open ── recover ──> append … append ── close
 *                        └── any failed write or sync of it ──> poisoned, for ever
 * ```
 *
 * Records are written within the call of `append`, in one frame or a few, and are durable when its promise
 * resolves (under the policy `always`). The log does not know what is in a record. Invariants: frames are
 * written in the order of their calls and resolve in it; a segment is given up only when a durable frame says
 * that it is not needed; after the first failure nothing is written.
 *
 * A segment that cannot be made is no failure of the log: it is tried again until it can. Meanwhile the rest
 * of the current one can be written, and whoever appends asks before whether it fits (`hasRoomFor`), as what
 * does not fit waits.
 *
 * @module
 */

import { checkRecords, frameBytesFor } from "./encoder.ts";
import { poisonedError, WalError } from "./error.ts";
import { type FileLock, joinPath } from "./file_system.ts";
import { GroupCommit } from "./group_commit.ts";
import { SEGMENT_HEADER_BYTES } from "./layout.ts";
import { type Batch, LogWriter } from "./log_writer.ts";
import { checkOptions, type WalOptions } from "./options.ts";
import type { RecoveredRecord, WalPosition, WalRecord } from "./record.ts";
import { Retention } from "./retention.ts";
import { mustHoldSegments } from "./segment_files.ts";
import { SegmentPool } from "./segment_pool.ts";
import { type RecoveryReport, startLog } from "./start.ts";
import { SYSTEM_TIMER } from "./timer.ts";

/** Figures of a log, for metrics. */
export interface WalStats {
  /** Bytes of all segments on disk that are in use. */
  readonly bytesTotal: number;
  readonly segmentCount: number;
  readonly oldestSegment: number;
  readonly syncCount: number;
  readonly frameCount: number;
  /** Bytes of all frames written since the log was opened. */
  readonly frameBytes: number;
  readonly recordCount: number;
  /** Appends waiting for a segment to be made. */
  readonly queuedAppends: number;
  /** Attempts to make a segment that failed; each is repeated. */
  readonly spareFailures: number;
}

/** A frame that says no more than how far the log is durable. */
const FRAME_BYTES_MIN = frameBytesFor(0);

/** Name of the lock file. */
const LOCK_NAME = "LOCK";

interface PendingAppend extends Batch {
  readonly resolve: (position: WalPosition) => void;
  readonly reject: (error: unknown) => void;
}

/** What exists once the log has been recovered. */
interface OpenLog {
  readonly writer: LogWriter;
  readonly commit: GroupCommit;
}

/** See the module comment. */
export class Wal {
  readonly #options: WalOptions;
  readonly #lock: FileLock;
  readonly #pool: SegmentPool;
  readonly #retention = new Retention();
  readonly #queue: PendingAppend[] = [];
  #log: OpenLog | undefined;
  #state: "opened" | "recovering" | "open" | "closing" | "closed" = "opened";
  #failure: WalError | undefined;
  #cancelTimer: (() => void) | undefined;
  #awaitsSegment = false;

  private constructor(options: WalOptions, lock: FileLock) {
    this.#options = options;
    this.#lock = lock;
    this.#pool = new SegmentPool({ ...options, timer: options.timer ?? SYSTEM_TIMER });
  }

  /**
   * Takes the directory; {@linkcode Wal.recover} must follow.
   *
   * @throws {WalError} `WAL_LOCKED` when the directory is in use, `WAL_MISSING` when it holds no segment and
   *   must
   * @throws {RangeError} for options outside their range
   */
  static async open(options: WalOptions): Promise<Wal> {
    checkOptions(options);
    // Before it is made or locked: nothing is touched where a log is missing.
    if (options.logId !== undefined) await mustHoldSegments(options);
    await options.fileSystem.createDirectory(options.directory);
    const path = joinPath(options.directory, LOCK_NAME);
    const lock = await options.fileSystem.lock(path);
    if (lock === undefined) throw new WalError("WAL_LOCKED", `Cannot open the log as ${path} is locked`);
    return new Wal(options, lock);
  }

  /**
   * Calls `visit` with every record that survived, oldest first, then makes the log ready for appending.
   * Called once.
   *
   * @throws {WalError} `WAL_FOREIGN_SEGMENT` when a segment is missing, swapped, or not this node's;
   *   `WAL_MISSING`, `WAL_OTHER_LOG` when it is not the log that it must be
   */
  async recover(visit: (record: RecoveredRecord) => void): Promise<RecoveryReport> {
    if (this.#state !== "opened") throw this.#wrongState("recover");
    this.#state = "recovering";
    let last = { group: -1, segment: -1 };
    const { start, report } = await startLog(this.#options, {
      pool: this.#pool,
      visit: (record) => {
        const { group, position: { segment } } = record;
        if (group !== last.group || segment !== last.segment) {
          this.#retention.note(group, segment);
          last = { group, segment };
        }
        visit(record);
      },
    });
    const { segmentBytes, timer } = this.#options;
    const writer = new LogWriter(start, { pool: this.#pool, retention: this.#retention, segmentBytes });
    this.#log = { writer, commit: new GroupCommit(timer ?? SYSTEM_TIMER, start.sequence) };
    this.#state = "open";
    // Without a later claim the next recovery would take the damage for a torn tail and cut off what is
    // behind it.
    if (report.damages.length > 0) await this.#writeClaim();
    return report;
  }

  /**
   * Writes all records, within this call unless a new segment is not ready yet, and resolves with the place
   * of the first when they are durable under the sync policy. After a crash all or none of them are there.
   *
   * @throws {RangeError} for a group, kind or size outside its range; nothing was written
   * @throws {WalError} `WAL_POISONED` after any failed write or sync, `WAL_STATE` when the log is not open
   */
  append(records: readonly WalRecord[]): Promise<WalPosition> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#state !== "open") return Promise.reject(this.#wrongState("append to"));
    try {
      checkRecords(records, this.#options.segmentBytes - SEGMENT_HEADER_BYTES);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#enqueue(records);
  }

  /** Says that `group` needs no record before `position`. Segments that no group needs are used again. */
  releaseBefore(group: number, position: WalPosition): void {
    this.#retention.release(group, position.segment);
  }

  /** Whether its directory is still the one that was opened; rejects when that cannot be told. */
  isInPlace(): Promise<boolean> {
    return this.#lock.isInPlace();
  }

  /** Names this log and no other; the same in every process that opens it. */
  get logId(): string {
    return this.#mustBeOpen().writer.logId;
  }

  /** Where the next frame goes; all records written so far are before it. */
  get end(): WalPosition {
    return this.#mustBeOpen().writer.end;
  }

  /**
   * The groups that hold back the oldest segment, ascending. Appending their live records again and releasing
   * them before the new place lets the log shrink.
   */
  groupsHoldingBack(): readonly number[] {
    return this.#retention.groupsNeeding(this.#mustBeOpen().writer.oldestSegment);
  }

  /**
   * Whether records of `bytes`, their frame included, would be written at once: they fit the rest of the
   * segment, or the next one lies ready.
   */
  hasRoomFor(bytes: number): boolean {
    return this.#queue.length === 0 && (this.#pool.isReady || bytes <= this.#mustBeOpen().writer.restBytes);
  }

  /** Bytes that fit the current segment, frames included; 0 while anything waits for the next one. */
  get restBytes(): number {
    return this.#queue.length > 0 ? 0 : this.#mustBeOpen().writer.restBytes;
  }

  /** Bytes that a segment takes, frames included. */
  get segmentRoomBytes(): number {
    return this.#options.segmentBytes - SEGMENT_HEADER_BYTES;
  }

  /** Why the next segment cannot be made at the moment; it is tried again and again. */
  get spareFailure(): string | undefined {
    return this.#pool.failure;
  }

  /** Resolves when the next segment lies ready, or none will be made any more; it never rejects. */
  whenSpareReady(): Promise<void> {
    return this.#pool.whenReady();
  }

  /** Figures as of now. */
  get stats(): WalStats {
    const { writer, commit } = this.#mustBeOpen();
    return {
      ...writer.size,
      oldestSegment: writer.oldestSegment,
      syncCount: commit.syncCount,
      frameCount: writer.frameCount,
      frameBytes: writer.frameBytes,
      recordCount: writer.recordCount,
      queuedAppends: this.#queue.length,
      spareFailures: this.#pool.failures,
    };
  }

  /** Milliseconds of the syncs since the last call, oldest first; at most the last 1,024 are kept. */
  takeSyncDurations(): readonly number[] {
    return this.#mustBeOpen().commit.takeDurations();
  }

  /**
   * Makes everything durable, says so in a last frame if there is room for it, and gives the directory back.
   * What still waits for a segment is refused: nothing of it has been acknowledged. Calls after the first do
   * nothing.
   *
   * @throws {WalError} `WAL_POISONED` when the log failed, before or now; it is closed all the same
   */
  async close(): Promise<void> {
    if (this.#state === "closing" || this.#state === "closed") return;
    const wasOpen = this.#state === "open";
    this.#state = "closing";
    try {
      if (wasOpen && this.#failure === undefined) await this.#writeLast();
    } finally {
      await this.#shut();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Same as {@linkcode Wal.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shut(): Promise<void> {
    this.#cancelTimer?.();
    await this.#log?.commit.whenSettled();
    await this.#pool.close();
    this.#log?.writer.close();
    this.#lock.release();
    this.#state = "closed";
  }

  /** Without room for the last frame the next start writes again what no frame says to be durable. */
  async #writeLast(): Promise<void> {
    const hasRoom = () => this.hasRoomFor(2 * FRAME_BYTES_MIN);
    while (!hasRoom() && this.#pool.isMaking) await this.#pool.whenAttempted();
    this.#pool.halt();
    if (hasRoom()) return await this.#writeClaim();
    const { writer, commit } = this.#mustBeOpen();
    for (const batch of this.#queue.splice(0)) batch.reject(this.#wrongState("append to"));
    await commit.wait(writer.sequence).catch((error) => {
      throw this.#poison(error);
    });
  }

  /** Syncs all frames, then writes and syncs an empty one that says so. */
  async #writeClaim(): Promise<void> {
    const { writer, commit } = this.#mustBeOpen();
    // The queue is worked off in order, so an empty batch is written when all before it are.
    for (let round = 0; round < 2; round++) {
      await this.#enqueue([]);
      await commit.wait(writer.sequence).catch((error) => {
        throw this.#poison(error);
      });
    }
    this.#free();
  }

  #enqueue(records: readonly WalRecord[]): Promise<WalPosition> {
    const { promise, resolve, reject } = Promise.withResolvers<WalPosition>();
    this.#queue.push({ records, next: 0, position: undefined, resolve, reject });
    if (!this.#awaitsSegment) this.#writeQueue();
    return promise;
  }

  /** Writes what is queued, until a segment is needed that is not ready. */
  #writeQueue(): void {
    const { writer, commit } = this.#mustBeOpen();
    try {
      for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
        do {
          if (!writer.writeFrame(batch, commit.durable)) return this.#awaitSegment();
          commit.noteWritten(writer.file, writer.sequence);
        } while (batch.next < batch.records.length);
        this.#queue.shift();
        this.#settle(batch, batch.position!);
      }
    } catch (error) {
      this.#poison(error);
    }
  }

  #awaitSegment(): void {
    this.#awaitsSegment = true;
    this.#pool.whenReady().then(() => {
      this.#awaitsSegment = false;
      if (this.#pool.isReady) this.#writeQueue();
    });
  }

  /** Resolves a written batch when the sync policy says so. */
  #settle(batch: PendingAppend, position: WalPosition): void {
    const { writer, commit } = this.#mustBeOpen();
    const { sync } = this.#options;
    if (sync.kind === "always") {
      commit.wait(writer.sequence).then(() => {
        this.#free();
        batch.resolve(position);
      }, (error) => batch.reject(this.#poison(error)));
      return;
    }
    batch.resolve(position);
    if (writer.hasClaims) this.#syncSoon(0);
    else if (sync.kind === "interval") this.#syncSoon(sync.ms);
  }

  #syncSoon(delayMs: number): void {
    const sync = () => {
      this.#cancelTimer = undefined;
      const { writer, commit } = this.#mustBeOpen();
      commit.wait(writer.sequence).then(() => this.#free(), (error) => this.#poison(error));
    };
    if (delayMs === 0) return sync();
    this.#cancelTimer ??= (this.#options.timer ?? SYSTEM_TIMER).after(delayMs, sync);
  }

  #free(): void {
    const { writer, commit } = this.#mustBeOpen();
    for (const { path } of writer.takeFreed(commit.durable)) this.#pool.recycle(path);
  }

  /** Remembers the first failure, fails everything that waits, and returns what every later call gets. */
  #poison(cause: unknown): WalError {
    this.#failure ??= poisonedError(cause);
    this.#log?.commit.fail(this.#failure);
    this.#pool.halt();
    for (const batch of this.#queue.splice(0)) batch.reject(this.#failure);
    return this.#failure;
  }

  #mustBeOpen(): OpenLog {
    if (this.#log === undefined) throw this.#wrongState("use");
    return this.#log;
  }

  #wrongState(action: string): WalError {
    return new WalError("WAL_STATE", `Cannot ${action} the log: its state is "${this.#state}"`);
  }
}
