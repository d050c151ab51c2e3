/**
 * The nodes that this one speaks with, and where they are: the members of its cluster, those it was told of
 * at its start, and provisional peers.
 *
 * A node that was away may come back to a cluster in which everybody it knows has been replaced. The others
 * know it and open streams to it; if it refused them as unknown, it would never learn of them. So while
 * it knows no leader of the cluster's own group, it takes in as a provisional peer any node that knows the
 * cluster's id, and answers at the address in that node's hello.
 *
 * @module
 */

import { NODE_ID_MAX } from "../../proto/mod.ts";
import { type Contradiction, describeContradiction, NO_NODE, type NodeId } from "../../raft/mod.ts";
import type { LeaderTable, NodeAddresses } from "../calls/mod.ts";
import { CLUSTER_GROUP, type ClusterShape, isAddress, NODES_MAX } from "../cluster/mod.ts";
import type { Outbox } from "../ports/mod.ts";
import type { ClusterStateMachine } from "./cluster_state_machine.ts";

/** Where the answers come from, and where they go. */
export interface PeerDirectoryOptions {
  readonly nodeId: NodeId;
  /** What this node was started with. */
  readonly shape: ClusterShape;
  /** Whether it was not there when the cluster was founded. */
  readonly hasJoined: boolean;
  /** What it knows of the cluster now. */
  readonly cluster: ClusterStateMachine;
  readonly leaders: LeaderTable;
  readonly outbox: Outbox;
}

/** See the module comment. */
export class PeerDirectory implements NodeAddresses {
  readonly #options: PeerDirectoryOptions;
  /**
   * With their addresses. They stay until the node stops: one may lead before the log says that it is a
   * member.
   */
  readonly #provisional = new Map<NodeId, string>();
  /** Peers that have lost what they had promised to this node, and how that showed. */
  readonly #distrusted = new Map<NodeId, string>();

  constructor(options: PeerDirectoryOptions) {
    this.#options = options;
  }

  get epoch(): number {
    return this.#options.cluster.state.epoch;
  }

  /** All peers, ascending. */
  ids(): readonly NodeId[] {
    const { nodeId, shape, cluster } = this.#options;
    const { nodes, retired } = cluster.state;
    // What this node knows of the cluster may be so old that none of its members is left.
    const others = [...shape.nodes.keys(), ...this.#provisional.keys()].filter((id) => !retired.has(id));
    const known = new Set([...nodes.keys(), ...others]);
    return [...known].filter((id) => id !== nodeId).sort((a, b) => a - b);
  }

  /**
   * `host:port`, empty if unknown. Founders are where the flags say; a whole cluster may be started at other
   * addresses.
   */
  addressOf(node: NodeId): string {
    const { hasJoined, shape, cluster } = this.#options;
    const founded = shape.nodes.get(node);
    const current = cluster.state.nodes.get(node)?.address;
    return (hasJoined ? current ?? founded : founded ?? current) ?? this.#provisional.get(node) ?? "";
  }

  /** Tells the way out which nodes are the peers now. */
  connect(): void {
    this.#options.outbox.setPeers(new Map(this.ids().map((id) => [id, this.addressOf(id)])));
  }

  /**
   * Whether `id`, which knows the cluster's id and says that it serves at `address`, may speak with this
   * node. An unknown node that may is a provisional peer from now on.
   */
  admit(id: NodeId, address: string): boolean {
    if (this.ids().includes(id)) return true;
    const hasNoLeader = this.#options.leaders.get(CLUSTER_GROUP).leader === NO_NODE;
    if (!hasNoLeader || this.#provisional.size >= NODES_MAX) return false;
    if (!this.#mayBeMember(id) || !isAddress(address)) return false;
    this.#provisional.set(id, address);
    this.connect();
    return true;
  }

  /** Nothing of what the leader says is believed any more. */
  distrust(contradiction: Contradiction): void {
    this.#distrusted.set(contradiction.leader, describeContradiction(contradiction));
  }

  /** Why nothing of what `id` says is believed, `undefined` if it is. */
  distrustOf(id: NodeId): string | undefined {
    return this.#distrusted.get(id);
  }

  #mayBeMember(id: NodeId): boolean {
    const { nodeId, cluster } = this.#options;
    return id >= 1 && id <= NODE_ID_MAX && id !== nodeId && !cluster.state.retired.has(id);
  }
}
