/**
 * The state machine: what committed commands do. As pure as `raft`.
 *
 * @module
 */

export type { Mutation, Precondition, RequestId } from "./types.ts";
export type { FailedPrecondition, Outcome } from "./outcome.ts";
export { decodeOutcome, encodeOutcome } from "./outcome.ts";
export type { Command } from "./command.ts";
export { decodeCommand, encodeCommand, stampCommand } from "./command.ts";
export type { Item } from "./state_machine.ts";
export { StateMachine } from "./state_machine.ts";
export { stateHash } from "./state_hash.ts";
export { bytesOfString, byteString } from "./byte_string.ts";
export { ByteReader, ByteWriter, varintLength } from "./varint.ts";
