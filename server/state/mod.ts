/**
 * What the replicas of a node keep on its disk besides the log: a store each, and who sees to it that memory,
 * log and disk stay bounded.
 *
 * ```
 * state machine ─rows─▶ replica_store ─▶ storage/          every applied command
 *                            ▲
 *                 flusher ───┘  when memtables, entries in memory or the log have grown
 *                    ▲
 *                 log_release   gives up entries and segments that the stores hold
 * ```
 *
 * **A restart** is the stores' points and the entries of the log above them: `state_stores` opens the stores
 * without reading their data, `../node/recovery.ts` reads the log.
 *
 * **Read in this order.** `replica_store.ts`: one replica's store. `state_stores.ts`: all of them.
 * `budget.ts`: how large things may become. `flusher.ts` with `group_rests.ts`, `entry_places.ts`,
 * `log_release.ts`. `replica_snapshots.ts`: how a state is given away, and taken up; `backup_source.ts`:
 * given to a backup. `verifier.ts` and `repair.ts`: how damage is found, and made whole. `replica_drops.ts`:
 * how a replica leaves. `state_keeper.ts`: all of it together.
 *
 * **Invariants**
 *
 * - A store's point is an entry that was applied, and the store holds all that the entries up to there amount
 *   to, sessions and time included.
 * - Nothing that a restart would need is let go of before what takes its place is durable.
 * - Of a replica that has left, nothing is removed before the log says that it has; nothing comes in its
 *   place before all is removed.
 *
 * @module
 */

export { type AskedBudget, type StateBudget, stateBudget } from "./budget.ts";
export { EntryPlaces } from "./entry_places.ts";
export type { WrittenGroup } from "./log_release.ts";
export { metaOfPoint, pointMembership, type ReplicaStore } from "./replica_store.ts";
export { type StateFigures, StateKeeper, type StateKeeperStats, type StoreFigures } from "./state_keeper.ts";
export { isStateError, StateStores, type StoreSizes } from "./state_stores.ts";
export type { LogPoint } from "../storage/mod.ts";
