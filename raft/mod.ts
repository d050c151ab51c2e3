/**
 * Consensus as a pure state machine: messages and ticks in, `ReadyBatch` out. Knows no disk, no network, no
 * clock.
 *
 * @module
 */

export * from "./types.ts";
export * from "./message.ts";
export * from "./ready.ts";
export type { MultiRaftConfig } from "./config.ts";
export { InvariantViolation } from "./error.ts";
export { unreachable } from "./invariant.ts";
export { type MembershipTarget, votersOnly } from "./membership.ts";
export { MultiRaft } from "./multi_raft.ts";
export type { GroupOptions } from "./state.ts";
