/**
 * A state that is open for somebody who reads it: whatever becomes of the reader, it is released. A reader
 * that takes nothing for too long loses it, since as long as it is open its files stay on the disk.
 *
 * @module
 */

import { DomainError, type OpenBackup } from "../../api/mod.ts";

/** How long nothing may be taken. */
const IDLE_MS = 60_000;

/** See the module comment. */
export class HeldBackup {
  readonly backup: OpenBackup;
  readonly #idleMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isIdle = false;

  /** @param signal fires when the reader has left, or the node stops */
  constructor(backup: OpenBackup, signal: AbortSignal, idleMs: number = IDLE_MS) {
    this.backup = backup;
    this.#idleMs = idleMs;
    // At once: a stream that stands at a part may not be asked for the next one any more.
    signal.addEventListener("abort", () => this.release(), { once: true });
    if (signal.aborted) this.release();
    else this.#wait();
  }

  /**
   * The reader is there.
   *
   * @throws {DomainError} `unavailable` when it comes too late
   */
  touch(): void {
    if (this.#isIdle) {
      throw new DomainError(
        { kind: "unavailable" },
        `Cannot go on with the backup: nothing of it was taken for ${this.#idleMs / 1_000} s; begin again`,
      );
    }
    this.#wait();
  }

  release(): void {
    clearTimeout(this.#timer);
    this.backup.release();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isIdle = true;
      this.backup.release();
    }, this.#idleMs);
  }
}
