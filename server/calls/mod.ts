/**
 * TODO(header): server/calls
 *
 * @module
 */

export type { CallInbox, CallInput, CallResult } from "./call.ts";
export { CallDispatcher, type LeaderHints, type ProposalMeters, refuseCall } from "./dispatcher.ts";
export { stopping } from "./forwarding.ts";
export { createKvReplica, HostedReplica, type KvReplica } from "./hosted_replica.ts";
export { CallIntake } from "./intake.ts";
export { LeaderTable } from "./leader_table.ts";
export { Leaderships } from "./leaderships.ts";
export type { StateMachine } from "./state_machine.ts";
