/**
 * Consensus as a pure state machine: the Raft algorithm for many groups at once, as in Ongaro and
 * Ousterhout's paper ("In Search of an Understandable Consensus Algorithm", cited as §5.3) and Ongaro's
 * thesis (cited as such). Messages and ticks go in, `ReadyBatch` comes out. The core knows no disk, no
 * network and no clock: it never awaits and calls nobody, so a simulator can replay every fault.
 *
 * ## The contract
 *
 * A node has one `MultiRaft` with one replica per group. Its host goes through the same four steps in every
 * turn:
 *
 * ```
 *  step · tick · propose · readIndex …     what has happened since the last turn
 *                 │
 *               ready ──▶ messages · committed · reads · transitions     at once
 *                 │  └──▶ persist     one write, one sync, for all groups
 *                 ▼
 *              advance    once it is on the disk, with messagesAfterPersist
 * ```
 *
 * Inputs only change the state of a replica; nothing is sent before `ready`, so that everything a turn brings
 * travels and is written together. `ready.ts` says what the host must do with a batch, and what in it may be
 * done before the disk. Refusals are values (`Refusal`); the only error is `InvariantViolation`.
 *
 * ## One write
 *
 * 1. `MultiRaft.propose` finds the group's `Replica`. If that leads and has room, `proposal.ts` appends an
 *    entry to the log in memory (`log.ts`). Nothing is sent yet.
 * 2. `ready` asks each replica to which something happened. `leader.ts` (`flushLeader`) has `replication.ts`
 *    send each follower what it lacks, within the window that `progress.ts` and `inflight.ts` keep for it;
 *    `replica_ready.ts` collects the messages and the entries to persist. The appends leave before the
 *    leader's own sync.
 * 3. At the follower, `MultiRaft.step` turns away what no sound peer sends (`message_check.ts`), `replica.ts`
 *    settles the terms, and `follower.ts` checks that the log agrees before the first new entry and merges
 *    them. Its answer promises that they are durable, so `replica_ready.ts` lets it wait for the disk.
 * 4. The answer comes back to `leader.ts`: `replication.ts` notes it, and commits what a majority holds
 *    (`progress_table.ts`, `quorum.ts`), if it is of the leader's own term (§5.4.2). The leader itself counts
 *    only once `advance` has said that its own write is durable.
 * 5. The next `ready` hands the entry out as committed, and tells the followers the commit index.
 *
 * ## One election
 *
 * 1. `tick` counts. A follower that has not heard a leader for the timeout it has drawn (`election.ts`,
 *    `drawTimeout`; order of preference first) becomes a pre-candidate: it asks whether it would be elected,
 *    and changes nothing.
 * 2. The others answer in `election.ts`. They refuse while they hear a leader or have promised one their vote
 *    (`lease.ts`), and when the asking log is less complete than theirs.
 * 3. With a majority the replica becomes a candidate: it raises its term, votes for itself and asks again. If
 *    term or vote is new, all its messages wait until that is on the disk.
 * 4. With a majority of votes it becomes leader, opens its term with an empty entry, and from then on sends
 *    appends and heartbeats. A leader that no quorum answers steps down; one that is to go, or is not the
 *    preferred one, hands over (`transfer.ts`).
 *
 * ## Reading order
 *
 * - plain data: `types`, `message` and `message_check`, `ready`, `config`; what must never happen: `error`,
 *   `invariant`
 * - parts with rules of their own: `log`, `membership` and `membership_codec`, `quorum`, `inflight`,
 *   `progress`, `progress_table`, `read_state`, `random`; per node: `peer_table`, `node_state`
 * - all that a replica knows, and what must hold for it: `state`, `state_check`
 * - which replica of a node a message is of, and for: `replica_ids`
 * - what shows that a replica was put back to the past: `promise_table`, `promises`, `contradiction`
 * - rules, as functions over that state: `lease`, `election`, `replication`, `proposal`, `read_index`,
 *   `quiet`, `reconfiguration`, `transfer`, `priority`, `snapshot`
 * - how each role reacts: `follower`, `candidate`, `leader`. They never call each other: a change of role
 *   goes through `election`, and the next input finds the new one
 * - `replica` and `replica_ready` put one group together, `multi_raft` all groups of a node
 *
 * The files lie in one folder. A room per topic (membership, progress, reads) would import in both
 * directions: the state of a replica holds the data of every rule, and every rule works on that state.
 *
 * ## What is left to the host
 *
 * - **Durability.** It writes `persist` in the order of the batches and confirms with `advance`. After a
 *   crash it hands in what it finds (`Restored`); the core needs no storage at run time.
 * - **Sending.** Messages may be lost, doubled, delayed and reordered; nothing has to arrive.
 * - **Applying.** It gives `committed` to the state machine and answers clients. The core never looks into a
 *   command. Retries that must take effect once are the state machine's business.
 * - **Time.** It calls `tick` at a steady rate; late is harmless, early is not. Reads by lease need
 *   `setClock` besides, with a monotonic clock.
 * - **Snapshots.** It says which entries its own state covers (`compact`). A follower that needs entries
 *   which are gone asks for a snapshot (`snapshotsWanted`), which the host fetches and installs (`suspend`,
 *   `resume`).
 *
 * ## Invariants
 *
 * - A replica votes once in a term, and a term has one leader.
 * - Terms and commit indexes never fall; committed entries are never replaced.
 * - No message leaves before what it promises is durable; an entry is handed out when it is both committed
 *   and durable here.
 * - What one replica of a node has said counts for no other one of it (`replica_ids.ts`).
 * - A membership takes effect when it is applied, one change at a time (`reconfiguration.ts`).
 * - Everything that grows has a limit (`config.ts`): windows, uncommitted bytes, batches, waiting reads.
 * - `state_check.ts` checks after every step what one replica can see of this. A violation is thrown, and the
 *   node must stop: going on would break promises to clients.
 *
 * @module
 */

export * from "./types.ts";
export * from "./message.ts";
export * from "./ready.ts";
export { type Contradiction, describeContradiction } from "./contradiction.ts";
export type { LogPosition } from "./log.ts";
export type { MultiRaftConfig } from "./config.ts";
export { InvariantViolation } from "./error.ts";
export { unreachable } from "./invariant.ts";
export type { MembershipTarget } from "./membership.ts";
export { decodeMembership, encodeMembership } from "./membership_codec.ts";
export { MultiRaft } from "./multi_raft.ts";
export type { GroupOptions } from "./state.ts";
