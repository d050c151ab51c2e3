/**
 * What the leaders of partitions do so that keys end when they should, by the replicated clock
 * (`server/kv/replicated_clock.ts`). All of it is proposed by the node's own hand; the state machine decides
 * what has expired (`server/kv/expiry.ts`).
 *
 * **Read in this order.** `clock_entries.ts`: reads must see the time. `removal.ts`: what has expired is
 * removed.
 *
 * **What it never does.** It keeps no times, reads no wall clock, and decides for nobody whether a key is
 * there: it only brings entries into the log that carry the time, or name keys that may have expired.
 *
 * **Invariants**
 *
 * - No round of reads is opened by a leader whose clock shows that a key asked for has expired, unless it
 *   waits for an entry with that time; where hundreds are due at once, and a follower asks, with one that is
 *   a moment old.
 * - One removal is under way in a group at a time, and none is larger than what the log takes.
 * - A group in which no key has a time costs one comparison a round of reads, and one a tick.
 *
 * @module
 */

export { ClockEntries } from "./clock_entries.ts";
export { Removal } from "./removal.ts";
