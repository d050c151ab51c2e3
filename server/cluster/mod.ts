/**
 * The cluster's own state: its nodes, where each partition's replicas are and should be, and the changes that
 * operators have asked for. Group 0 replicates it to every node. As pure as `raft`: states and commands are
 * plain data, and what should happen next is computed from them.
 *
 * **What it owns.** The state as a value (`ClusterState`) and as bytes, the commands that change it and their
 * bytes in group 0's log, the rules for placing replicas and leaders, and the limits of all that: 1,000
 * nodes, 15 replicas of a partition, 64 changes under way.
 *
 * **How many replicas.** The replication factor, or while there are fewer nodes as many as an odd number of
 * them allows (`replicasFor`). It is looked at, not remembered: when nodes join or the factor is another one,
 * the planner finds partitions with too few or too many replicas, and each grows or shrinks in one move
 * (`docs/decisions/0030-…`).
 *
 * **How a change passes through.** An operator's request becomes a `change` command; applied, it is refused
 * with a reason, done at once, or under way. While changes are under way, the node that leads group 0 asks
 * `planNext` for one command at a time: another target for a partition (`setTarget`), another preferred
 * leader (`prefer`), the end of a change (`finish`). The node that leads a moving partition's group brings
 * its members to the target, one step of `MembershipDriver` per tick, and reports it (`settle`). No node
 * remembers how far a change is: the next leader plans from the same state and goes on.
 *
 * ```
 * request ─▶ change ─▶ planNext ─▶ setTarget ─▶ the group moves ─▶ settle ─▶ planNext ─▶ … ─▶ finish
 * ```
 *
 * **Read in this order.** `types.ts`. `cluster_state.ts`: reading a state, making the next one, its
 * invariants. `cluster_command.ts` and `command_check.ts`: the bytes and limits of commands;
 * `state_codec.ts`: those of the state. `change_list.ts` and `change_request.ts`: how changes begin, count
 * and end. `apply_command.ts`: all commands. Then the planner: `replica_moves.ts`, `preferred_leaders.ts`,
 * `planner.ts`. `founding.ts`: where everything is before any change, and how partitions and groups are
 * numbered. `membership_driver.ts`: what the leader of a partition uses.
 *
 * **What it never does.** It does not propose, send, wait, or read a clock; times are handed in. It knows no
 * keys. It never judges a command by anything but the state it meets, so that every node judges alike.
 *
 * **Invariants**
 *
 * - The same commands in the same order make the same state on every node.
 * - A command that changes something raises the epoch by one; one that does not fit any more returns the very
 *   same state, so commands may be late, lost and repeated.
 * - All replicas, targets and former targets are members; no partition has two replicas on one node.
 * - A replica goes only where another takes its place, or where there are more than the factor or the nodes
 *   allow.
 * - Every replica has an id that no other one of its group has, had or gets.
 * - A partition moves if and only if it names a change; a node is forgotten only when no group can need it.
 * - The id of a removed node never comes back.
 * - A command outside of its limits is neither encoded nor decoded, nor is a state.
 * - A state's bytes are those that this version would write for it, or they are refused.
 *
 * Why it is so: `docs/decisions/0011-…` and `0012-…`.
 *
 * @module
 */

export { decodeClusterCommand, encodeClusterCommand } from "./cluster_command.ts";
export { applyCommand } from "./apply_command.ts";
export { FINISHED_CHANGES_MAX } from "./change_list.ts";
export {
  areReplicasComplete,
  clusterVoters,
  foundingState,
  isMoving,
  isReplicaGone,
  ownerOf,
  replicasFor,
  wantedReplicas,
} from "./cluster_state.ts";
export { ADDRESS_LENGTH_MAX, checkClusterCommand, isAddress, NODES_MAX } from "./command_check.ts";
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
  type PartitionPlace,
  placePartitions,
} from "./founding.ts";
export { MembershipDriver } from "./membership_driver.ts";
export { type PlannerFacts, planNext } from "./planner.ts";
export { decodeClusterState, encodeClusterState } from "./state_codec.ts";
export type {
  ChangeRequest,
  ClusterChange,
  ClusterCommand,
  ClusterNode,
  ClusterPartition,
  ClusterState,
  NodePlace,
} from "./types.ts";
