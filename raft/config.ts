/**
 * What a host decides when it starts the core, and the limits that keep everything bounded. Time is counted
 * in ticks.
 *
 * @module
 */

import type { NodeId } from "./types.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Of all replicas of one node. Every limit has a default. */
export interface MultiRaftConfig {
  readonly nodeId: NodeId;
  /**
   * Any safe integer. A different one for each start of a process: numbers drawn from it tell the questions
   * of this run from those of an earlier one.
   */
  readonly seed: number;
  /** A follower that hears nothing for this long, and up to twice as long, stands for election. */
  readonly electionTimeoutTicks: number;
  /** A leader speaks at least this often; below half the election timeout. */
  readonly heartbeatTicks: number;
  /** Appends on their way to one follower. */
  readonly inflightMessagesMax?: number;
  /** Bytes of entries on their way to one follower. */
  readonly inflightBytesMax?: number;
  /** Bytes of entries in one append; an entry above it travels alone. */
  readonly appendBytesMax?: number;
  /** Bytes a leader holds in one group without knowing them committed. */
  readonly uncommittedBytesMax?: number;
  /** Bytes of committed entries one group hands out in one batch. */
  readonly committedBytesMax?: number;
  /** Reads of one group that wait for their confirmation. */
  readonly readsWaitingMax?: number;
  /**
   * A group in which nothing has happened for so many ticks falls quiet (`quiet.ts`); 0: never. The same on
   * all nodes.
   */
  readonly quietAfterTicks?: number;
  /**
   * Whether a leader whose lease holds answers reads without a round (`lease.ts`). Needs a host that calls
   * `setClock` in every turn, and clocks that differ by less than a fifth. A replica that comes back votes
   * for nobody for an election timeout then.
   */
  readonly leaseReads?: boolean;
  /** Whether a leader hands over to the preferred replica when that one is fit to lead. */
  readonly leadershipFollowsPriority?: boolean;
}

/** A configuration in which every limit is decided. */
export type ResolvedConfig = Required<MultiRaftConfig>;

const LOWEST: ReadonlyMap<string, number> = new Map([["seed", Number.MIN_SAFE_INTEGER], [
  "quietAfterTicks",
  0,
]]);

const DEFAULTS = {
  // Enough to keep a link of 10 ms full at one append per turn; the bytes are what bounds memory.
  inflightMessagesMax: 256,
  inflightBytesMax: 4 * MIB,
  // Large enough to amortize a message, small enough that heartbeats between two of them are not late.
  appendBytesMax: 1 * MIB,
  uncommittedBytesMax: 32 * MIB,
  committedBytesMax: 4 * MIB,
  readsWaitingMax: 65_536,
  quietAfterTicks: 0,
  leaseReads: false,
  leadershipFollowsPriority: true,
} as const;

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} when a number makes no sense
 */
export function resolveConfig(config: MultiRaftConfig): ResolvedConfig {
  const resolved: ResolvedConfig = { ...DEFAULTS, ...config };
  for (const [name, value] of Object.entries(resolved)) {
    if (typeof value === "number") mustBeSensible(name, value);
  }
  if (resolved.heartbeatTicks * 2 > resolved.electionTimeoutTicks) {
    throw new RangeError(
      `Cannot start consensus as heartbeatTicks must be at most half of electionTimeoutTicks: ` +
        `they are ${resolved.heartbeatTicks} and ${resolved.electionTimeoutTicks}`,
    );
  }
  return resolved;
}

function mustBeSensible(name: string, value: number): void {
  const lowest = LOWEST.get(name) ?? 1;
  if (Number.isSafeInteger(value) && value >= lowest) return;
  throw new RangeError(
    `Cannot start consensus as ${name} must be an integer from ${lowest} on: it is ${value}`,
  );
}
