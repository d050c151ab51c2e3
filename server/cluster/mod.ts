/**
 * The cluster's own state, replicated by group 0: who is in it, what lies where, and what is being changed. Pure: no clock,
 * no chance, no input or output.
 *
 * @module
 */

export type * from "./types.ts";
export { decodeClusterCommand, encodeClusterCommand } from "./cluster_command.ts";
export { checkClusterCommand, isAddress, NODES_MAX } from "./command_check.ts";
export { ClusterState } from "./cluster_state.ts";
export { type Founding, foundingView, isMoving } from "./cluster_view.ts";
export { clusterVoters } from "./cluster_voters.ts";
export { type PlannerFacts, planNext } from "./planner.ts";
