/**
 * The state machine of a partition: what committed commands do to keys and values. As pure as `raft`: the
 * same entries in the same order make the same state on every replica, whatever the machine, the day and the
 * load.
 *
 * **What it owns.** Per partition: the keys with their values and versions, which are rows of a store that it
 * is given; in memory, and in rows when the store is flushed, the times at which keys expire, the sessions of
 * its clients with the outcomes of their last writes, the replicated time, and the index of the last entry
 * applied. And three formats that other files must not know: the bytes of a command, which stand in every
 * replica's log, the bytes of an outcome, which travel from the leader to the node that took the call, and
 * the rows.
 *
 * **How a write passes through.** The node that takes a call encodes its mutations as one command
 * (`encodeCommand`). The leader stamps its time into those bytes, proposes them, and from then on they are
 * opaque. When the entry is committed, every replica hands the same bytes to `KvStateMachine.apply`, which
 * decodes them, looks the request id up in the sessions, checks all preconditions against the state before
 * the command, computes what its increments come to, applies all mutations or none, and returns the outcome.
 *
 * **Read in this order.** `types.ts`: mutations, preconditions, request ids. `command.ts` and `outcome.ts`:
 * their bytes, with the grammar at the top. `whole_number.ts` and `increment.ts`: numbers of 64 bits, and
 * what the increments of a command come to. `expiry.ts`: when keys expire. `session.ts`: which writes have
 * taken effect, and when that is forgotten. `replicated_clock.ts`: the time that leaders stamp into commands.
 * `state_store.ts` and `state_rows.ts`: the rows of the store.
 * `state_machine.ts`: all of it applied, entry by entry, alike on all replicas.
 *
 * **What it never does.** It reads no clock (time comes with the command), draws no random number, waits for
 * nothing, does no input or output, and knows no terms, leaders, nodes or partitions. It refuses nothing for
 * reasons of the environment: a committed entry must be applied by every replica or by none, so limits of
 * size and load are checked before a command is proposed.
 *
 * **Invariants**
 *
 * - Entries are applied once each, in the order of their indexes; `appliedIndex` never goes back.
 * - A key's version is the index of the entry that last changed it; 0 stands for a key that does not exist.
 * - A key whose time is reached is not there for reads, preconditions and mutations alike, at the same entry
 *   on every replica; it is removed by a later entry. Replicated time decides, and nothing else.
 * - A command takes effect as a whole or not at all; preconditions are about the state before it, an
 *   increment about what the mutations before it in the command leave.
 * - While an outcome is remembered, a retry of its request returns it and changes nothing; while its session
 *   is, a retry never takes effect again.
 * - Sessions are bounded per partition and per client, by rules that depend on the log alone, so that all
 *   replicas forget the same outcomes at the same entry.
 * - With the rows that it hands out when it is asked (`takeUnsaved`), the store holds the whole state: read
 *   from there, it goes on as if nothing had happened.
 *
 * @module
 */

export {
  decodeCommand,
  encodeCommand,
  encodeExpireCommand,
  hasExpire,
  isUpkeep,
  onlyDeletes,
  stampCommand,
} from "./command.ts";
export type { ExpiredLimits } from "./expiry.ts";
export {
  decodeOutcome,
  encodeOutcome,
  type FailedIncrement,
  type FailedPrecondition,
  type NewNumber,
  type Outcome,
} from "./outcome.ts";
export { ReplicatedClock } from "./replicated_clock.ts";
export { keptBytes, passingBytes } from "./slab.ts";
export { KvStateMachine } from "./state_machine.ts";
export { expiryOf, timeIn } from "./state_rows.ts";
export {
  EXPIRY_ROWS,
  SESSION_ROWS,
  type StateChange,
  StateReadError,
  type StateRow,
  type StateStore,
  TIME_ROW,
  USER_ROWS,
} from "./state_store.ts";
export type { Mutation, Precondition, RequestId } from "./types.ts";
