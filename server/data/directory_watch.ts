/**
 * Notices that the data directory of a running node is not there any more: removed, moved away, unmounted, or
 * another one put in its place. What the node writes then goes to files that no start finds again, though
 * every write and sync of them succeeds. So the lock files are looked at, whether their paths still lead to
 * the files that this node holds.
 *
 * ```
 * look ── there ──▶ …            look ── not there ──▶ look again ── not there ──▶ lost
 *      └─ cannot be told (an error of the disk or the network): as if it had not looked
 * ```
 *
 * It only looks; who asks ends the node.
 *
 * @module
 */

import type { FileLock } from "../../wal-wasm/mod.ts";

/** Between two looks; a look costs a system call for each lock. */
const LOOK_MS = 1_000;
/** Looks in a row: a directory that is being exchanged by somebody who knows what they do is there again. */
const LOOKS = 2;

/** What is watched. */
export interface DirectoryWatchOptions {
  readonly directory: string;
  readonly nodeId: number;
  /** Of the directory, and of the log in it. */
  readonly locks: readonly Pick<FileLock, "isInPlace">[];
}

/** See the module comment. */
export class DirectoryWatch {
  readonly #options: DirectoryWatchOptions;
  #lookedMs = -Infinity;
  /** When the last look began that found it; before the first, when that began. */
  #foundMs: number | undefined;
  #isLooking = false;
  /** Looks in a row that did not find it. */
  #missed = 0;

  constructor(options: DirectoryWatchOptions) {
    this.#options = options;
  }

  /**
   * Begins another look when it is time for one.
   *
   * @param nowMs milliseconds that never go back
   * @returns what to end with once the looks before have not found the directory; `undefined` until then
   */
  look(nowMs: number): Error | undefined {
    if (this.#missed >= LOOKS) return this.#lost(nowMs);
    if (!this.#isLooking && nowMs - this.#lookedMs >= LOOK_MS) {
      this.#lookedMs = nowMs;
      this.#foundMs ??= nowMs;
      this.#isLooking = true;
      void this.#look();
    }
    return undefined;
  }

  async #look(): Promise<void> {
    try {
      const found = await Promise.all(this.#options.locks.map((lock) => lock.isInPlace()));
      const isFound = found.every((isInPlace) => isInPlace);
      this.#missed = isFound ? 0 : this.#missed + 1;
      if (isFound) this.#foundMs = this.#lookedMs;
    } catch {
      // It cannot be told now: the next look may.
    } finally {
      this.#isLooking = false;
    }
  }

  #lost(nowMs: number): Error {
    const { directory, nodeId } = this.#options;
    const seconds = ((nowMs - (this.#foundMs ?? nowMs)) / 1_000).toFixed(1);
    return new Error(
      `Data directory "${directory}" was removed, moved away or replaced while node ${nodeId} was using it: ` +
        `its lock file, or that of its log, is not there any more or is another one. It was last found in place ` +
        `${seconds} s ago: what this node has acknowledged since is safe nowhere on this machine unless the ` +
        "directory is still there or was moved away, and nothing is acknowledged from now on. If the directory " +
        "is there with its log, or was moved away and is moved back, start the node again; if it is gone, let a " +
        "new node with an empty directory join (--join), then remove node " +
        `${nodeId} (remove-node ${nodeId}). A node that is alone: restore its data from elsewhere`,
    );
  }
}
