/**
 * The cluster's own state, replicated by group 0: who is in it, what lies where, and what is being changed.
 * Pure: no clock, no chance, no input or output.
 *
 * @module
 */

export { decodeClusterCommand, encodeClusterCommand } from "./cluster_command.ts";
export { applyCommand } from "./apply_command.ts";
export { clusterVoters, foundingState, isMoving } from "./cluster_state.ts";
export { ADDRESS_LENGTH_MAX, checkClusterCommand, isAddress, NODES_MAX } from "./command_check.ts";
export { FailureDetector } from "./failure_detector.ts";
export {
  CLUSTER_GROUP,
  CLUSTER_PARTITION,
  type ClusterShape,
  describePartition,
  foundingStateOf,
  groupOfPartition,
  initialClusterMembership,
  initialMembership,
  NO_MEMBERS,
  partitionOfGroup,
  placePartitions,
} from "./founding.ts";
export { MembershipDriver } from "./membership_driver.ts";
export { type PlannerFacts, planNext } from "./planner.ts";
export type {
  ChangeRequest,
  ClusterChange,
  ClusterCommand,
  ClusterNode,
  ClusterPartition,
  ClusterState,
} from "./types.ts";
