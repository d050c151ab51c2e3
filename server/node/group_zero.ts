/**
 * This node's replica of group 0: its copy of the cluster's state, how changes of it are asked for, and how
 * they are waited for. What is to be done about the state is not decided here: `coordinator.ts` does that
 * where group 0 is led, `reconciler.ts` where a partition's group is.
 *
 * @module
 */

import type { Membership, MultiRaft, NodeId } from "../../raft/mod.ts";
import { DomainError, invalidArgument, type NodeCallOptions } from "../api/mod.ts";
import { type CallResult, type CallWait, HostedReplica } from "../calls/mod.ts";
import {
  type ChangeRequest,
  checkClusterCommand,
  CLUSTER_GROUP,
  CLUSTER_PARTITION,
  type ClusterChange,
  type ClusterCommand,
  type ClusterState,
  encodeClusterCommand,
  type NodePlace,
  ownerOf,
} from "../cluster/mod.ts";
import type { ClusterId, Troubles } from "../data/mod.ts";
import type { Outcome } from "../kv/mod.ts";
import type { Answerer, Clock, PeerTransport } from "../ports/mod.ts";
import type { ClusterStateMachine } from "./cluster_state_machine.ts";
import type { NodeInbox } from "./inbox.ts";

type AddNode = Extract<ChangeRequest, { readonly kind: "addNode" }>;
type ChangeCommand = Extract<ClusterCommand, { readonly kind: "change" }>;

/** A proposal of this node's own that has not been answered for so long is made again. */
const PROPOSAL_LIMIT_MS = 2_000;

/** What the replica works with. */
export interface GroupZeroOptions {
  readonly nodeId: NodeId;
  /** Another one for each start of the process. */
  readonly seed: number;
  /** Of this node's directory. */
  readonly clusterId: ClusterId;
  /** For an id that is drawn, 32 bits that cannot be guessed; the system's by default. */
  readonly randomWord?: (() => number) | undefined;
  readonly machine: ClusterStateMachine;
  readonly multiRaft: MultiRaft;
  readonly clock: Clock;
  readonly transport: PeerTransport;
  /** Where this node is, if it can be reached. */
  readonly place?: NodePlace | undefined;
  readonly troubles: Troubles;
  readonly inbox: NodeInbox;
}

/** See the module comment. */
export class GroupZero {
  readonly replica: HostedReplica<ClusterStateMachine>;
  readonly #options: GroupZeroOptions;
  readonly #startedMs: number;
  readonly #listeners = new Set<() => void>();
  /** What this node proposes by itself and has no answer to, by what it is about. */
  readonly #proposing = new Set<string>();
  #isRefreshing = false;
  #isKeepingId = false;
  #hasAnnounced = false;
  #changeCount = 0;

  constructor(options: GroupZeroOptions) {
    this.#options = options;
    this.#startedMs = options.clock.monotonicMs();
    const place = { partitionId: CLUSTER_PARTITION, group: CLUSTER_GROUP };
    this.replica = new HostedReplica(place, options);
  }

  /** The cluster's own state as this node knows it. */
  get state(): ClusterState {
    return this.replica.machine.state;
  }

  /** The id with which this node, if it is the first to lead the group, founds the cluster. */
  get clusterIdToFound(): string {
    return this.#options.clusterId.draw(this.#options.randomWord);
  }

  /**
   * Sees to it that the id that the founding has drawn is kept durably here. What fails is tried again when
   * this is called again.
   *
   * @throws {Error} when this node is bound to another cluster
   */
  keepClusterId(): void {
    const { clusterId, nodeId, troubles } = this.#options;
    const drawn = this.state.clusterId;
    if (drawn === "") return;
    if (drawn === clusterId.value) return troubles.note("cluster_id_file", undefined);
    if (!clusterId.matches(drawn)) {
      throw new Error(
        `Node ${nodeId} belongs to cluster ${clusterId.value}, but the cluster's own group says ${drawn}: ` +
          "nodes of two clusters with the same list of founders have been mixed; keep them apart",
      );
    }
    if (this.#isKeepingId) return;
    this.#isKeepingId = true;
    const note = (error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      troubles.note("cluster_id_file", `the cluster's id cannot be kept: ${why}; it is tried again at once`);
    };
    clusterId.settle(drawn).catch(note).finally(() => this.#isKeepingId = false);
  }

  /**
   * Sees to it that the cluster knows where this node is, once in the life of its process: the flags that it
   * was started with are newer than what stood in the log then. What is lost is said again when this is
   * called again.
   */
  announce(): void {
    const { clock, nodeId, place } = this.#options;
    if (this.#hasAnnounced || place === undefined) return;
    const nowMs = clock.monotonicMs();
    const known = this.state.nodes.get(nodeId);
    if (known === undefined || !this.state.isFounded) return;
    if (!this.replica.isFresh(nowMs, nowMs - this.#startedMs)) return this.refresh();
    const { address, clientUrl } = place;
    this.#hasAnnounced = known.address === address && known.clientUrl === clientUrl;
    // Two nodes at one address are their operator's to tell apart.
    if (this.#hasAnnounced || ownerOf(this.state, { nodeId, address }) !== undefined) return;
    this.proposeOnce({ kind: "announce", nodeId, address, clientUrl }, "announce");
  }

  /** The members of the group, as far as this node knows. */
  get membership(): Membership {
    return this.#options.multiRaft.status(CLUSTER_GROUP)!.membership;
  }

  /** See `NodeApi.changeCluster`. */
  async change(
    request: ChangeRequest,
    { timeoutMs, caller }: Omit<NodeCallOptions, "direct">,
  ): Promise<string> {
    const { nodeId, seed, clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const changeId = `${nodeId}-${seed.toString(16)}-${++this.#changeCount}`;
    const command: ChangeCommand = { kind: "change", changeId, request };
    mustBeWithinBounds(command);
    if (request.kind === "addNode") await this.#checkAddress(request);
    const change = await this.#carry(command, { deadlineMs, caller });
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
    const deadlineMs = this.#options.clock.monotonicMs() + PROPOSAL_LIMIT_MS;
    this.#propose(command, { deadlineMs }).then(end, end);
  }

  /** Whether such a proposal has no answer yet. */
  isProposing(about: string): boolean {
    return this.#proposing.has(about);
  }

  /** Asks the group how far the state here has to come to be fresh. */
  refresh(): void {
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    void this.refreshWithin(PROPOSAL_LIMIT_MS).then(() => this.#isRefreshing = false);
  }

  /** The same, and resolves with whether the state here has come that far within the time. */
  refreshWithin(timeoutMs: number): Promise<boolean> {
    const { clock, inbox } = this.#options;
    return new Promise((resolve) =>
      inbox.push({
        kind: "call",
        call: {
          kind: "read",
          partitionId: CLUSTER_PARTITION,
          keys: [],
          deadlineMs: clock.monotonicMs() + timeoutMs,
          mayForward: false,
          consistency: "follower",
          maxStalenessMs: 0,
          settle: ({ ok }) => resolve(ok),
        },
      })
    );
  }

  /**
   * An address is believed when the node answers there as itself. One that was never a member may still be
   * down: it is announced before it is started.
   *
   * @throws {DomainError} `invalidArgument`
   */
  async #checkAddress({ nodeId, address }: AddNode): Promise<void> {
    const { clusterId, transport } = this.#options;
    const known = this.state.nodes.get(nodeId);
    if (known?.address === address) return;
    const answerer = await transport.whoIsAt(address);
    const problem = answerer.kind === "node"
      ? problemWithNode(answerer, { nodeId, clusterId: clusterId.settledValue })
      : problemWithNobody(answerer, known !== undefined);
    if (problem === "") return;
    throw invalidArgument(`Cannot believe that node ${nodeId} is at ${address}: ${problem}`);
  }

  /** Resolves when the command has been applied by the group's leader; rejects with `DomainError`. */
  #propose(command: ClusterCommand, wait: CallWait): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#options.inbox.push({
        kind: "call",
        call: {
          kind: "write",
          partitionId: CLUSTER_PARTITION,
          command: encodeClusterCommand(command),
          ...wait,
          mayForward: true,
          settle: (result: CallResult<Outcome>) => result.ok ? resolve() : reject(result.error),
        },
      })
    );
  }

  /**
   * Has the request taken. Resolves with the change when it has begun in this node's own copy of the state,
   * which may be after the group's leader has it, or before its answer is here.
   */
  async #carry(command: ChangeCommand, wait: CallWait): Promise<ClusterChange> {
    const { begun, forget } = this.#options.machine.expect(command.changeId);
    try {
      await this.#propose(command, wait);
      return await this.#before(wait.deadlineMs, begun);
    } finally {
      forget();
    }
  }

  /** @throws {DomainError} `deadline` when `begun` has not come until then */
  async #before(deadlineMs: number, begun: Promise<ClusterChange>): Promise<ClusterChange> {
    const { clock } = this.#options;
    const limit = Promise.withResolvers<never>();
    const leftMs = Math.max(0, deadlineMs - clock.monotonicMs());
    const timer = clock.after(leftMs, () => limit.reject(notSeenInTime()));
    try {
      return await Promise.race([begun, limit.promise]);
    } finally {
      timer.cancel();
    }
  }
}

function notSeenInTime(): DomainError {
  return new DomainError(
    { kind: "deadline" },
    "The change was taken, but this node has not seen it before the call's deadline: look at the changes " +
      "before you ask for it again",
  );
}

/** Which node should answer. */
interface WantedNode {
  readonly nodeId: NodeId;
  readonly clusterId: string;
}

function problemWithNode(found: Answerer & { readonly kind: "node" }, wanted: WantedNode): string {
  if (found.nodeId !== wanted.nodeId) {
    return `node ${found.nodeId} answers there; check the address and the node's id`;
  }
  if (found.clusterId === "" || found.clusterId === wanted.clusterId) return "";
  return `a node of cluster ${found.clusterId} answers there, not of ${wanted.clusterId}; check the address`;
}

function problemWithNobody(
  found: Exclude<Answerer, { readonly kind: "node" }>,
  isMember: boolean,
): string {
  if (found.kind === "stranger") {
    return `what answers there is no prkdb node (${found.reason}); check the address`;
  }
  if (!isMember) return "";
  return `no node answers there (${found.reason}); start it there first, or check the address`;
}

/** @throws {DomainError} `invalidArgument` */
function mustBeWithinBounds(command: ClusterCommand): void {
  try {
    checkClusterCommand(command);
  } catch (error) {
    throw invalidArgument(error instanceof Error ? error.message : String(error));
  }
}
