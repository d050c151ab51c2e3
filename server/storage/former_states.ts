/**
 * States that a snapshot has replaced while somebody was reading them: they stay readable at the versions
 * that were pinned, until the last of those pins is released.
 *
 * @module
 */

import type { Pins } from "./retention.ts";
import { memtablesOf, type StoreSources } from "./store_sources.ts";

/** A state that was replaced. */
interface FormerState {
  readonly sources: StoreSources;
  /** All its versions are at most this one, all later ones are above it. */
  readonly lastVersion: number;
}

/** See the module comment. */
export class FormerStates {
  /** Oldest first. */
  #states: readonly FormerState[] = [];

  /** What is to be read at a version, if that was pinned before a snapshot came. */
  at(version: number): StoreSources | undefined {
    if (this.#states.length === 0) return undefined;
    return this.#states.find(({ lastVersion }) => version <= lastVersion)?.sources;
  }

  /** Takes over a state, its memtables with it, and keeps it as long as there are pins. */
  take(state: FormerState, pins: Pins): void {
    const { sources } = state;
    if (pins.versions.length === 0) {
      for (const memtable of memtablesOf(sources)) memtable.release();
      return;
    }
    sources.set.hold();
    this.#states = [...this.#states, state];
    pins.whenNoneIsLeft(() => this.#end(state));
  }

  /** Gives up all of them. */
  close(): void {
    for (const state of this.#states) this.#end(state);
  }

  #end(state: FormerState): void {
    if (!this.#states.includes(state)) return;
    this.#states = this.#states.filter((each) => each !== state);
    state.sources.set.release();
    for (const memtable of memtablesOf(state.sources)) memtable.release();
  }
}
