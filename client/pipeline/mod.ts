/**
 * How calls about data are carried to their end: joined, sent, repeated and settled.
 *
 * ```
 * write, read ─▶ Pending ─▶ Batcher: a lane per leader ─▶ Dispatcher ─▶ runAttempt ─▶ one call to one node
 *                 ▲                                         │   ▲           │
 *                 └────────── settled ◀─────────────────────┘   └─ Backoff ◀┘ failed: again, or for good
 * ```
 *
 * `pipeline.ts` makes of each call a `Pending` with its route and deadline (`pending.ts`). `batcher.ts` joins
 * those with the same leader while batches to it are in flight. `dispatcher.ts` cuts what leaves together
 * into one batch per partition (`partition_batch.ts`), and sends each until it has succeeded, failed for good
 * or run out of time (`expiry.ts`). `attempt.ts` is one call to one node, with a watchdog for nodes that fall
 * silent; `backoff.ts` says whether and when the next one follows. `writes.ts` and `reads.ts` know the
 * methods of the contract (`exchange.ts`), `session.ts` numbers writes, so that a repeated one takes effect
 * once, and `key_turns.ts` lets conditional writes of one key go one after the other.
 *
 * The room owns everything that waits for an answer, and bounds it. Invariants: every pending item is settled
 * exactly once, at its deadline at the latest; a write is repeated unchanged and under its first number.
 *
 * What it never does: it checks no arguments, learns no routes by itself (it asks `client/routing` to), and
 * knows nothing of HTTP. `client/cluster` borrows attempts and backoff for its own calls.
 *
 * @module
 */

export { type AttemptContext, type AttemptResult, runAttempt } from "./attempt.ts";
export { Backoff, type BackoffOptions } from "./backoff.ts";
export { type CallLimits, Pipeline } from "./pipeline.ts";
export type { ReadMode } from "./reads.ts";
export { randomClientId, Session } from "./session.ts";
