/**
 * This node's replica of group 0: its copy of the cluster's state, how changes of it are asked for, and how
 * they are waited for. What is to be done about the state is not decided here: `coordinator.ts` does that
 * where group 0 is led, `reconciler.ts` where a partition's group is.
 *
 * @module
 */

import type { Membership, MultiRaft, NodeId } from "../../raft/mod.ts";
import { DomainError, invalidArgument } from "../api/mod.ts";
import { type CallResult, HostedReplica } from "../calls/mod.ts";
import {
  type ChangeRequest,
  checkClusterCommand,
  CLUSTER_GROUP,
  CLUSTER_PARTITION,
  type ClusterChange,
  type ClusterCommand,
  type ClusterState,
  encodeClusterCommand,
} from "../cluster/mod.ts";
import type { Outcome } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { ClusterStateMachine } from "./cluster_state_machine.ts";
import type { Inbox } from "./inbox.ts";

/** A proposal of this node's own that has not been answered for so long is made again. */
const PROPOSAL_LIMIT_MS = 2_000;

/** What the replica works with. */
export interface GroupZeroOptions {
  readonly nodeId: NodeId;
  /** Another one for each start of the process. */
  readonly seed: number;
  readonly machine: ClusterStateMachine;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly inbox: Inbox;
}

/** See the module comment. */
export class GroupZero {
  readonly replica: HostedReplica<ClusterStateMachine>;
  readonly #options: GroupZeroOptions;
  readonly #listeners = new Set<() => void>();
  /** What this node proposes by itself and has no answer to, by what it is about. */
  readonly #proposing = new Set<string>();
  #isRefreshing = false;
  #changeCount = 0;

  constructor(options: GroupZeroOptions) {
    this.#options = options;
    const place = { partitionId: CLUSTER_PARTITION, group: CLUSTER_GROUP };
    this.replica = new HostedReplica(place, options.machine);
  }

  /** The cluster's own state as this node knows it. */
  get state(): ClusterState {
    return this.replica.machine.state;
  }

  /** The members of the group, as far as this node knows. */
  get membership(): Membership {
    return this.#options.multiRaft.status(CLUSTER_GROUP)!.membership;
  }

  /** See `NodeApi.changeCluster`. */
  async change(request: ChangeRequest, timeoutMs: number): Promise<string> {
    const { nodeId, seed, clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const changeId = `${nodeId}-${seed.toString(16)}-${++this.#changeCount}`;
    const command: ClusterCommand = { kind: "change", changeId, request };
    mustBeWithinBounds(command);
    await this.#propose(command, deadlineMs);
    const change = await this.#appearance(changeId, deadlineMs);
    if (change.error !== "") throw invalidArgument(change.error);
    return changeId;
  }

  /** See `NodeApi.onClusterChange`. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Tells the listeners that the state is another one. */
  announceChange(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Proposes what this node itself wants; what is refused or lost is wanted again at a later tick. */
  proposeOnce(command: ClusterCommand, about: string): void {
    if (this.#proposing.has(about)) return;
    this.#proposing.add(about);
    const end = () => void this.#proposing.delete(about);
    this.#propose(command, this.#options.clock.monotonicMs() + PROPOSAL_LIMIT_MS).then(end, end);
  }

  /** Whether such a proposal has no answer yet. */
  isProposing(about: string): boolean {
    return this.#proposing.has(about);
  }

  /** Asks the group how far the state here has to come to be fresh. */
  refresh(): void {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    const { clock, inbox } = this.#options;
    inbox.push({
      kind: "call",
      call: {
        kind: "read",
        partitionId: CLUSTER_PARTITION,
        keys: [],
        deadlineMs: clock.monotonicMs() + PROPOSAL_LIMIT_MS,
        mayForward: false,
        consistency: "follower",
        maxStalenessMs: 0,
        settle: () => this.#isRefreshing = false,
      },
    });
  }

  /** Resolves when the command has been applied by the group's leader; rejects with `DomainError`. */
  #propose(command: ClusterCommand, deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#options.inbox.push({
        kind: "call",
        call: {
          kind: "write",
          partitionId: CLUSTER_PARTITION,
          command: encodeClusterCommand(command),
          deadlineMs,
          mayForward: true,
          settle: (result: CallResult<Outcome>) => result.ok ? resolve() : reject(result.error),
        },
      })
    );
  }

  /**
   * The change as soon as it stands in this node's own copy of the state, which may come after the group's
   * leader has it.
   */
  #appearance(changeId: string, deadlineMs: number): Promise<ClusterChange> {
    const find = () => this.state.changes.find((change) => change.changeId === changeId);
    return new Promise((resolve, reject) => {
      const found = find();
      if (found !== undefined) return resolve(found);
      const end = () => {
        stopListening();
        timer.cancel();
      };
      const stopListening = this.onChange(() => {
        const change = find();
        if (change === undefined) return;
        end();
        resolve(change);
      });
      const { clock } = this.#options;
      const timer = clock.after(Math.max(0, deadlineMs - clock.monotonicMs()), () => {
        end();
        reject(notSeenInTime());
      });
    });
  }
}

function notSeenInTime(): DomainError {
  return new DomainError(
    { kind: "deadline" },
    "The change was taken, but this node has not seen it before the call's deadline: look at the changes " +
      "before you ask for it again",
  );
}

/** @throws {DomainError} `invalidArgument` */
function mustBeWithinBounds(command: ClusterCommand): void {
  try {
    checkClusterCommand(command);
  } catch (error) {
    throw invalidArgument(error instanceof Error ? error.message : String(error));
  }
}
