/**
 * One sync for many appends. Callers say what they wrote and wait for it; all that come while one sync is
 * under way share the next. Waiters are released in the order of their frames.
 *
 * ```
 * frame 1 ──write──┐ sync A ────────┐ 1 is durable
 * frame 2 ────write──┐              │ sync B ────────┐ 2 and 3 are durable
 * frame 3 ──────write──┐            │                │
 * ```
 *
 * After a failed sync nothing is known about any byte that was not durable before, so nothing is retried: all
 * waiters get the error, and so does the owner.
 *
 * @module
 */

import type { StoredFile } from "./file_system.ts";
import type { WalTimer } from "./timer.ts";

/** Sync durations kept until they are taken; older ones are dropped. */
const DURATIONS_MAX = 1024;

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface DirtyFile {
  readonly file: StoredFile;
  /** The last frame written to it. */
  sequence: number;
}

/** See the module comment. */
export class GroupCommit {
  readonly #timer: WalTimer;
  readonly #waiters: Waiter[] = [];
  /** Files with bytes that are not durable, oldest first; all but the last are complete. */
  readonly #dirty: DirtyFile[] = [];
  #durations: number[] = [];
  #syncCount = 0;
  #durable: number;
  #running: Promise<void> | undefined;
  #wanted = false;
  #failure: { readonly error: unknown } | undefined;

  /** `durable` is the last sequence that is durable already. */
  constructor(timer: WalTimer, durable: number) {
    this.#timer = timer;
    this.#durable = durable;
  }

  /** The last sequence that is durable, with all before it. */
  get durable(): number {
    return this.#durable;
  }

  /** Syncs so far; one counts once however many files it took. */
  get syncCount(): number {
    return this.#syncCount;
  }

  /** Whether a sync is under way. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Milliseconds of the syncs since the last call, oldest first, at most 1,024. */
  takeDurations(): readonly number[] {
    const taken = this.#durations;
    this.#durations = [];
    return taken;
  }

  /** Notes that frame `sequence` has been written to `file`. */
  noteWritten(file: StoredFile, sequence: number): void {
    const last = this.#dirty.at(-1);
    if (last?.file === file) last.sequence = sequence;
    else this.#dirty.push({ file, sequence });
  }

  /** Resolves when `sequence` is durable; starts the sync that makes it so. */
  wait(sequence: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (sequence <= this.#durable) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ sequence, resolve, reject });
    this.#wanted = true;
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when no sync is under way; it never rejects. */
  async whenSettled(): Promise<void> {
    await this.#running;
  }

  /** Ends all waiting with `error`; nothing is synced from now on. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  async #run(): Promise<void> {
    while (this.#wanted && this.#failure === undefined) {
      this.#wanted = false;
      try {
        await this.#sync();
      } catch (error) {
        this.fail(error);
      }
    }
    this.#running = undefined;
  }

  /** One pass over all that is dirty now. What is written to the last file meanwhile is the next pass's. */
  async #sync(): Promise<void> {
    const started = this.#timer.now();
    const pass = this.#dirty.map(({ file, sequence }) => ({ file, sequence }));
    for (const { file } of pass) await file.syncData();
    this.#syncCount++;
    this.#noteDuration(this.#timer.now() - started);
    if (this.#failure !== undefined) return;
    this.#durable = pass.at(-1)?.sequence ?? this.#durable;
    while (this.#dirty.length > 0 && this.#dirty[0]!.sequence <= this.#durable) this.#dirty.shift();
    while (this.#waiters.length > 0 && this.#waiters[0]!.sequence <= this.#durable) {
      this.#waiters.shift()!.resolve();
    }
  }

  #noteDuration(durationMs: number): void {
    if (this.#durations.length === DURATIONS_MAX) this.#durations.shift();
    this.#durations.push(durationMs);
  }
}
