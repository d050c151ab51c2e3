/**
 * How much of a node's memory its stores and logs take before something is done about it, and how long its
 * log on disk becomes.
 *
 * @module
 */

import type { MemoryLimits } from "../api/mod.ts";

const MEBIBYTE = 1024 * 1024;
/** More than this makes nothing faster, and restarts slower. */
const MEMTABLE_BYTES_MAX = 64 * MEBIBYTE;
/** Unless more is asked for: the system keeps what was read lately, too. */
const CACHE_BYTES_MAX = 128 * MEBIBYTE;
const LOG_BYTES_MAX = 32 * MEBIBYTE;

/**
 * Of the state's part, for memtables, which are twice there while one is flushed, and blocks of tables; the
 * rest is for sessions, times, and filters and indexes of tables. Full to the last they must stay below what
 * makes a node refuse puts, or the cache, which never shrinks, would keep it from ever taking one again.
 */
const STORES_SHARE = 3 / 4;

/** Below what makes a node refuse puts. */
const HELD_LOG_SHARE = 5 / 8;

/** A gibibyte in tables of 8 MiB within 22 minutes, at less than a thousandth of a processor. */
const VERIFY_EVERY_MS = 10_000;

/** See the module comment. */
export interface StateBudget {
  /** Of memtables: above it the largest is flushed. */
  readonly memtableBytes: number;
  /** Of blocks of tables. */
  readonly cacheBytes: number;
  /** Of entries in memory: above it those are given up that are applied. */
  readonly logBytes: number;
  /**
   * Of entries in memory, with those behind a snapshot that is on its way from here: above it they are given
   * up, too, and the receiver needs another one.
   */
  readonly heldLogBytes: number;
  /** Pause between two tables that are read again to see whether they are sound. */
  readonly verifyEveryMs: number;
  /** Segments of the log on disk: above it the oldest is let go of. */
  readonly segments: number;
}

/** What an operator, or a test, has named. */
export type AskedBudget = { readonly [Name in keyof StateBudget]?: number | undefined };

/** The budget of a node that may hold so much in memory. */
export function stateBudget({ state, log }: MemoryLimits, asked: AskedBudget): StateBudget {
  const storesBytes = state * STORES_SHARE;
  const memtableRest = (storesBytes - (asked.cacheBytes ?? storesBytes / 3)) / 2;
  const memtableBytes = asked.memtableBytes ?? Math.min(MEMTABLE_BYTES_MAX, Math.floor(memtableRest));
  const cacheRest = storesBytes - 2 * memtableBytes;
  return {
    memtableBytes,
    cacheBytes: asked.cacheBytes ?? Math.min(CACHE_BYTES_MAX, Math.max(0, Math.floor(cacheRest))),
    logBytes: asked.logBytes ?? Math.min(LOG_BYTES_MAX, Math.floor(log / 4)),
    heldLogBytes: asked.heldLogBytes ?? Math.floor(log * HELD_LOG_SHARE),
    verifyEveryMs: asked.verifyEveryMs ?? VERIFY_EVERY_MS,
    segments: asked.segments ?? SEGMENTS,
  };
}

/** With the one that is written; the spare is beside them. */
const SEGMENTS = 3;
