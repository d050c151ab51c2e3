/**
 * A node: the replicas on it, the log they share, and the loop that drives them. Everything of the outside
 * world comes in through the options, so the simulator runs this very room.
 *
 * **What it owns.** The data directory's lock and the open log for as long as it runs; the core (`MultiRaft`)
 * with the entries that are not given up yet; the replicas and their state machines, with the stores that
 * they stand on; the node's copy of the cluster's state; the inbox; the timer of the ticks. It has no socket:
 * peers and clients reach it through its inbox and its methods.
 *
 * **The turn** is the heart. Everything that has arrived since the last turn is taken in, the core says what
 * must happen, it is made durable with one frame and one sync for all groups, and then what was promised
 * leaves:
 *
 * ```
 * inbox ─▶ step ─▶ ready ─┬─▶ messages that may overtake the disk
 *                         ├─▶ one frame, one sync ─▶ messages that promise it
 *                         └─▶ committed entries applied, callers answered
 * ```
 *
 * What is to be written while the disk is busy gathers and becomes the next frame: group commit over all
 * partitions. Messages, reads and commits go on meanwhile.
 *
 * **Made in order of dependence.** A node is opened from its directory upwards: the lock and the identity,
 * the log and what recovery finds in it, the core with its restored replicas, what works with them, and last
 * the loop. Each part is complete before the next is made.
 *
 * **Read in this order.** `inbox.ts`: what can happen to a node. `wal_codec.ts`: what it writes down.
 * `recovery.ts` and `bootstrap.ts`: from a log to replicas. `node_loop.ts`: the turn.
 * `cluster_state_machine.ts`, `group_zero.ts`: the cluster's own group, this node's copy of its state, and
 * the requests to change it. `coordinator.ts`: what the leader of group 0 does. `reconciler.ts`: what the
 * leader of any group does to bring it to the members it should have. `replica_set.ts` and
 * `peer_directory.ts`: which replicas are here, which nodes are peers. `node_status.ts`: what it tells of
 * itself. `node.ts`: all of it put together, and `NodeApi` on top.
 *
 * **What it never does.** It speaks no protocol, reads no flags and draws no random number but from its seed
 * (and one for a new log, that must not be guessed). It never retries a failed write of the log, and never
 * guesses what is on the disk: it ends (`onFatal`), and the next start recovers.
 *
 * **Invariants**
 *
 * - Turns run one after the other, and finish in the order in which they began.
 * - Nothing is promised before it is durable: not a vote, not an acknowledgement, not a client's write.
 * - After a failed append or a broken invariant no turn runs any more.
 * - A node whose disk hangs for half an election timeout takes no turns, falls silent, and loses its
 *   leaderships.
 * - Group 0 says what should be, the leaders bring it about, and nobody remembers where a change was
 *   (`docs/decisions/0012-…`).
 * - A replica that has moved away answers nobody and forgets no vote; it stays until the node stops.
 *
 * @module
 */

export { Inbox, type Input, type NodeInbox } from "./inbox.ts";
export { Node, type NodeOptions } from "./node.ts";
export type { MemoryPart } from "../calls/mod.ts";
export type { StateFigures, StoreFigures } from "../state/mod.ts";
export { RESOURCE_TROUBLE_KINDS, type ResourceTrouble } from "../data/mod.ts";
export type { LoopMeters, NodeEnd } from "./node_loop.ts";
export type { ReplicaReport } from "./node_status.ts";
export { type DecodedRecord, decodeRecord } from "./wal_codec.ts";
