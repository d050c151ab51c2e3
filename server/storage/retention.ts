/**
 * Which versions are kept when tables are written: those that somebody can still see. Readers see the newest
 * state, or the state at a version that they have pinned.
 *
 * @module
 */

import { type EntryCursor, KeyBuffer } from "./table/mod.ts";

/** A version that stays readable until it is released. */
export interface Pin {
  readonly version: number;
  /** Gives it up; again does nothing. */
  release(): void;
}

/** The pinned versions of a store. */
export class Pins {
  readonly #counts = new Map<number, number>();
  #whenNoneIsLeft = () => {};

  /** Pins a version that is readable now. */
  add(version: number): Pin {
    this.#counts.set(version, (this.#counts.get(version) ?? 0) + 1);
    let isHeld = true;
    return {
      version,
      release: () => {
        if (isHeld) this.#remove(version);
        isHeld = false;
      },
    };
  }

  /** Pinned versions, ascending. */
  get versions(): readonly number[] {
    return [...this.#counts.keys()].sort((left, right) => left - right);
  }

  /** Calls back when the last pin is released; there is one. */
  whenNoneIsLeft(callBack: () => void): void {
    this.#whenNoneIsLeft = callBack;
  }

  #remove(version: number): void {
    const left = this.#counts.get(version)! - 1;
    if (left > 0) {
      this.#counts.set(version, left);
      return;
    }
    this.#counts.delete(version);
    if (this.#counts.size === 0) this.#whenNoneIsLeft();
  }
}

/** What decides it. */
export interface RetentionOptions {
  /** When the writing began, ascending. Later pins are above everything that is written. */
  readonly pinned: readonly number[];
  /** Whether no older entry of the key can be anywhere but among those that are merged. */
  readonly isBottom: (key: Uint8Array) => boolean;
}

/** Judges entries in their order, one after the other. */
export class VersionRetention {
  readonly #pinned: readonly number[];
  readonly #isBottom: (key: Uint8Array) => boolean;
  readonly #key = new KeyBuffer();
  /** Of the entry before; nothing was judged yet while it is `Infinity`. */
  #newer = Infinity;
  #isNewKey = false;

  constructor({ pinned, isBottom }: RetentionOptions) {
    this.#pinned = pinned;
    this.#isBottom = isBottom;
  }

  /** Whether the entry judged last was the first of its key. */
  get isNewKey(): boolean {
    return this.#isNewKey;
  }

  /** Whether anybody can see the entry or needs it to hide an older one. */
  keeps(entry: EntryCursor): boolean {
    this.#isNewKey = this.#newer === Infinity || !this.#key.isAt(entry);
    if (this.#isNewKey) this.#key.take(entry);
    const { version } = entry;
    const isVisible = this.#isNewKey || this.#isPinned(version, this.#newer);
    this.#newer = version;
    return isVisible && !(entry.isTombstone && this.#isNeedless(version));
  }

  /** Whether a pin sees the entry of `version`, although there is one of `newer`. */
  #isPinned(version: number, newer: number): boolean {
    return this.#pinned.some((pin) => pin >= version && pin < newer);
  }

  /** A tombstone hides nothing if all older entries go now, because every pin is above it. */
  #isNeedless(version: number): boolean {
    const lowest = this.#pinned[0] ?? Infinity;
    return lowest >= version && this.#isBottom(this.#key.view);
  }
}
