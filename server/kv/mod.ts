/**
 * The state machine: what committed commands do. As pure as `raft`.
 *
 * @module
 */

export type { Mutation, Precondition, RequestId } from "./types.ts";
