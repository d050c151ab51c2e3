/**
 * The state machine: what committed commands do. As pure as `raft`.
 *
 * @module
 */

export { decodeCommand, encodeCommand, stampCommand } from "./command.ts";
export { decodeOutcome, encodeOutcome, type Outcome } from "./outcome.ts";
export { allocateBytes } from "./slab.ts";
export { stateHash } from "./state_hash.ts";
export { KvStateMachine } from "./state_machine.ts";
export type { Mutation, Precondition, RequestId } from "./types.ts";
