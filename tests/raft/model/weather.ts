/**
 * What a random schedule starts from: how bad its times are, and which cluster has to get through them.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../../raft/mod.ts";
import type { Random } from "../../../raft/random.ts";
import { Cluster } from "./cluster.ts";
import { votersOnly } from "../../support/memberships.ts";

/** How bad a run is. */
export interface ScheduleWeather {
  /** Chances of one message. */
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** Chances of one step. */
  readonly crash: number;
  readonly cut: number;
  readonly restart: number;
  readonly stop: number;
  /** Chance that a node which died is back at once. */
  readonly bounce: number;
  /** Chance that what it had sent dies with it. */
  readonly mute: number;
  /** Chance that a node dies while a batch is out, before and after the disk has it. */
  readonly crashInBatch: number;
  /** The same for batches in which a vote is given or a leader is new: there the worst can happen. */
  readonly crashAtTurn: number;
  /** Batches that may be on their way to the disk, and the chance of a step that the disk gets on. */
  readonly batches: number;
  readonly disk: number;
  /** Messages that arrive at once. */
  readonly burst: number;
  /** Share of each action, of the sum of all. */
  readonly shares: Readonly<Record<ScheduleAction, number>>;
}

/** What a step may be. */
export type ScheduleAction =
  | "tick"
  | "duel"
  | "deliver"
  | "propose"
  | "read"
  | "unreachable"
  | "transfer"
  | "reshape"
  | "drive"
  | "prefer"
  | "snapshot"
  | "rest";

/** All of them, in the order in which their shares are counted. */
export const ACTIONS: readonly ScheduleAction[] = [
  "tick",
  "duel",
  "deliver",
  "propose",
  "read",
  "unreachable",
  "transfer",
  "reshape",
  "drive",
  "prefer",
  "snapshot",
  "rest",
];

/** Share of the runs in which memberships change. */
const RESHAPED = 0.4;
const CLUSTER_SIZES = [3, 5] as const;
/** Where memberships change, there may be more nodes than a group needs. */
const RESHAPED_SIZES = [3, 5, 7] as const;

/** From a fine day to a disaster, so that both progress and confusion are seen. */
export function drawScheduleWeather(random: Random, snapshots: Random): ScheduleWeather {
  const harshness = random.chance(0.6) ? 1 : 0.15;
  const upTo = (
    worst: number,
  ) => (random.chance(0.3) ? 0 : (random.below(1_000) / 1_000) * worst * harshness);
  return {
    loss: upTo(0.3),
    duplication: upTo(0.4),
    reordering: upTo(1),
    crash: upTo(0.02),
    cut: upTo(0.03),
    restart: 0.01 + upTo(0.3),
    stop: upTo(0.01),
    bounce: upTo(0.9),
    mute: upTo(0.9),
    crashInBatch: upTo(0.1),
    crashAtTurn: upTo(0.8),
    batches: 1 + random.below(3),
    disk: 0.1 + random.below(10) * 0.08,
    burst: 1 + random.below(4),
    shares: {
      // From elections now and then to ones that overtake each other.
      tick: 8 + random.below(60),
      duel: random.below(5),
      deliver: 30 + random.below(60),
      // From a busy cluster to one in which groups fall quiet between one proposal and the next.
      propose: 1 + random.below(random.chance(0.3) ? 1 : 20),
      read: random.below(10),
      unreachable: random.below(3),
      transfer: random.below(4),
      ...drawReshaping(random),
      prefer: random.below(3),
      // In many runs no log is ever let go; in some there is hardly any left.
      snapshot: snapshots.chance(0.4) ? 0 : 1 + snapshots.below(30),
      rest: 20,
    },
  };
}

/** Changes that make sense one by one, changes that lead somewhere, or both. */
function drawReshaping(random: Random): { readonly reshape: number; readonly drive: number } {
  if (!random.chance(RESHAPED)) return { reshape: 0, drive: 0 };
  const kind = random.below(3);
  return { reshape: kind === 0 ? 0 : 4 + random.below(30), drive: kind === 1 ? 0 : 4 + random.below(30) };
}

/** A cluster, and what is to be expected of it. */
export interface Drawn {
  readonly cluster: Cluster;
  readonly fallsQuiet: boolean;
}

/** What is known of a cluster before it is drawn. */
interface ClusterDraw {
  readonly seed: number;
  readonly leaseReads: boolean;
  readonly isReshaped: boolean;
  readonly hasReplicaIds: boolean;
}

/** Three or five nodes, with limits that matter or none. */
export function drawCluster(
  random: Random,
  options: ClusterDraw,
): Drawn {
  const { seed, leaseReads, isReshaped, hasReplicaIds } = options;
  const sizes = isReshaped ? RESHAPED_SIZES : CLUSTER_SIZES;
  const size = sizes[random.below(sizes.length)]!;
  const nodes = Array.from({ length: size }, (_, position) => position + 1);
  const groups = random.chance(0.5) ? [1] : [0, 3, 7];
  const hasPriority = random.chance(0.6);
  const priority = (group: GroupId) => (hasPriority ? nodes.map((_, i) => nodes[(i + group) % size]!) : []);
  // Small limits make flow control, paging and refusals everyday events.
  const quietAfterTicks = random.chance(0.5) ? 0 : 2 + random.below(18);
  const config = random.chance(0.4) ? { leaseReads, quietAfterTicks } : {
    leaseReads,
    quietAfterTicks,
    inflightMessagesMax: 1 + random.below(4),
    inflightBytesMax: 200,
    appendBytesMax: 70 + random.below(100),
    uncommittedBytesMax: 700,
    committedBytesMax: 150,
    readsWaitingMax: 4,
  };
  // Half of the clusters go on from a snapshot, so that an index is never mistaken for a position.
  const voters = isReshaped ? nodes.slice(0, 2 + random.below(size - 2)) : nodes;
  const index = isReshaped || random.chance(0.5) ? 0 : 1 + random.below(5_000);
  const term = index === 0 ? 0 : 3;
  const restored = (node: NodeId) => {
    const membership = votersOnly(voters.includes(node) ? voters : []);
    return {
      hardState: { term, vote: 0, commit: index },
      snapshot: { index, term, membership, membershipIndex: 0 },
      entries: [],
    };
  };
  const cluster = new Cluster({ nodes, voters, groups, seed, config, priority, restored, hasReplicaIds });
  return { cluster, fallsQuiet: quietAfterTicks > 0 };
}
