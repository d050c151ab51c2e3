/**
 * What becomes of clients' calls inside a node: cut by partition, counted, proposed or read where the leader
 * is, passed on where it is not, and answered exactly once.
 *
 * **What it owns.** All calls under way, in memory: the budget they are counted against (32,768 calls, 128
 * MiB of keys and values per node), those that wait for a commit, for a read's confirmation, for a reply of
 * another node or for a leader. Also the replicas hosted here as far as calls see them (`HostedReplica`: a
 * state machine and the calls that wait for it), and the table of which node leads which group.
 *
 * **How a write passes through**
 *
 * ```
 * CallIntake   cut by partition, encode the commands, count, hand to the node's inbox
 *    ─ turn ─  CallDispatcher: does this node lead the partition?
 *                yes   stamp the time, propose; HostedReplica waits for the entry, then settles the call
 *                no    Forwarding: into the batch to the leader, or parked until there is one
 * CallIntake   put the results together in the client's order, release the budget
 * ```
 *
 * A read goes the same way; at the leader all linearizable reads of a partition in one turn share one
 * confirmation of its leadership, and are answered when the state has reached the index of that confirmation.
 * That may be an entry which is not committed yet (`server/expiry`); if it is lost with the leadership, its
 * reads are asked again.
 *
 * **Read in this order.** `call.ts`: a call for one partition, and its result. `memory_budget.ts`,
 * `split.ts`, `intake.ts`: the way in, within the budget, and the way out. `refusal.ts`: why a call is
 * refused. `state_machine.ts` and `hosted_replica.ts`: what a call waits for. `leader_table.ts`.
 * `forwarding.ts`: calls that are elsewhere. `write_gate.ts`: what is still written when disk or memory run
 * out. `dispatcher.ts`: the decision for each call.
 *
 * **What it never does.** It never waits inside a turn: the dispatcher runs to its end within one, and only
 * calls the core. It sends nothing (the outbox does), writes nothing to the log, knows neither protobuf nor
 * HTTP, and never passes a call on twice: a call that came from another node is answered here or refused.
 *
 * **Invariants**
 *
 * - Every call is settled exactly once: with a result, with the failure that tells what is known, or at its
 *   deadline. Stopping the node settles all that are left.
 * - A write is acknowledged only when its own entry, with the index and the term it was proposed at, has been
 *   applied here. If another entry took that place, its outcome is unknown, not failed.
 * - What is over the budget is refused before it reaches the loop, so that nothing has happened.
 * - A term has one leader: what another node says of a group replaces only an earlier term, or fills in a
 *   leader that was not known.
 * - A command of another node is decoded before it is proposed: what is in the log can be applied.
 * - A call is asked again only if it is a read, certainly never left, or was answered that nothing has
 *   happened.
 *
 * @module
 */

export type { CallInbox, CallInput, CallResult, CallWait } from "./call.ts";
export {
  CallDispatcher,
  type NodeAddresses,
  type ProposalMeters,
  READS_WAITING_MAX,
  refuseCall,
  UNCOMMITTED_BYTES_MAX,
} from "./dispatcher.ts";
export { FoundingGate, notFounded } from "./founding_gate.ts";
export { createKvReplica, type EntryPlace, HostedReplica, type KvReplica } from "./hosted_replica.ts";
export { createMemoryBudget, type MemoryBudget, type MemoryPart } from "./memory_budget.ts";
export { WriteGate } from "./write_gate.ts";
export { CallIntake } from "./intake.ts";
export { LeaderTable } from "./leader_table.ts";
export { Leaderships } from "./leaderships.ts";
export { stopping } from "./refusal.ts";
export type { StateMachine } from "./state_machine.ts";
