/**
 * What keeps calls through a node from succeeding, as it knows it itself: for `/readyz`, for metrics and for
 * people.
 *
 * @module
 */

/** Something that calls through this node suffer from. */
export interface NodeTrouble {
  /** Stable, for programs. */
  readonly kind: TroubleKind;
  /** For people: one line, with what it concerns. */
  readonly reason: string;
}

/** Every kind of trouble. */
export type TroubleKind =
  | "stopping"
  | "notMember"
  /** The node knows the id of its cluster, and has not kept it yet. */
  | "idNotKept"
  /** The cluster's own group, or a partition, has no leader that this node knows. */
  | "noLeader"
  /** A node leads partitions and does not answer what this node sends it. */
  | "leaderUnreached"
  /** A replica here does not get on, though more is committed. */
  | "replicaStuck"
  /** The disk does not answer. */
  | "diskStuck"
  | "diskFull"
  | "memoryFull"
  /**
   * Stores cannot be made, flushed or merged: while memory lasts only reads suffer, and the log grows.
   */
  | "stateFiles"
  /** The state of a replica here is damaged, and comes anew from another node if there is one. */
  | "stateDamaged"
  /** A leader sends an entry that no file of the log can hold here. */
  | "entryTooLarge"
  /** A peer has lost what it promised to this node, which believes nothing that it says. */
  | "peerDistrusted"
  /** Partitions have fewer replicas than the replication factor: fewer failures are survived than wanted. */
  | "fewReplicas";

/** What the node refuses writes for, and goes on answering reads. */
const FULL: ReadonlySet<TroubleKind> = new Set(["diskFull", "memoryFull"]);
/** What an operator must see to, though calls succeed; where they do not, other troubles say so. */
const NOTED: ReadonlySet<TroubleKind> = new Set([
  "stateFiles",
  "stateDamaged",
  "entryTooLarge",
  "peerDistrusted",
  "fewReplicas",
]);

/** Whether calls can succeed. */
export interface Readiness {
  /** For all calls. */
  readonly isReady: boolean;
  /** For reads. */
  readonly isReadyForReads: boolean;
  readonly troubles: readonly NodeTrouble[];
}

/** What follows from `troubles`. */
export function readinessOf(troubles: readonly NodeTrouble[]): Readiness {
  const isLight = ({ kind }: NodeTrouble) => NOTED.has(kind);
  return {
    isReady: troubles.every(isLight),
    isReadyForReads: troubles.every((trouble) => FULL.has(trouble.kind) || isLight(trouble)),
    // Whoever takes the first one for the reason is right, if there is another.
    troubles: [...troubles.filter((trouble) => !isLight(trouble)), ...troubles.filter(isLight)],
  };
}
