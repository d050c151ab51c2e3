/**
 * The nodes that this one speaks with, and where they are: the members of its cluster, those it was told of
 * at its start, and provisional peers.
 *
 * A node that was away may come back to a cluster in which everybody it knows has been replaced. The others
 * know it and open streams to it; if it refused them as unknown, it would never learn of them. So while
 * its own replica of the cluster's group follows no leader, it takes in as a provisional peer any node that
 * knows the cluster's id, and answers at the address in that node's hello. What others say about who leads
 * does not count: it may name a node that this one does not know.
 *
 * @module
 */

import { NODE_ID_MAX } from "../../proto/mod.ts";
import { type Contradiction, describeContradiction, NO_NODE, type NodeId } from "../../raft/mod.ts";
import type { NodeAddresses } from "../calls/mod.ts";
import { type ClusterShape, isAddress, type NodePlace, NODES_MAX } from "../cluster/mod.ts";
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
  /** Whom this node's own replica of the cluster's group follows; `NO_NODE` while that is nobody. */
  readonly leaderFollowed: () => NodeId;
  readonly outbox: Outbox;
  /** Where this node itself is, if it can be reached. */
  readonly place?: NodePlace | undefined;
}

/** See the module comment. */
export class PeerDirectory implements NodeAddresses {
  readonly #options: PeerDirectoryOptions;
  /** They stay until the node stops: one may lead before the log says that it is a member. */
  readonly #provisional = new Set<NodeId>();
  /** Where peers that have a stream to here say that they serve. */
  readonly #said = new Map<NodeId, string>();
  /** Peers that have lost what they had promised to this node, and how that showed. */
  readonly #distrusted = new Map<NodeId, string>();
  #hasHeard = false;

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
    const others = [...shape.nodes.keys(), ...this.#provisional].filter((id) => !retired.has(id));
    const known = new Set([...nodes.keys(), ...others]);
    return [...known].filter((id) => id !== nodeId).sort((a, b) => a - b);
  }

  /** `host:port`, for those who ask this node; empty if unknown. */
  addressOf(node: NodeId): string {
    const { cluster, nodeId, place } = this.#options;
    if (node === nodeId && place !== undefined) return place.address;
    const current = cluster.state.nodes.get(node);
    return (current?.hasMoved === true ? current.address : undefined) ?? this.#placesOf(node)[0] ?? "";
  }

  /** Where clients find the node, a URL; empty where that is its address. */
  clientUrlOf(node: NodeId): string {
    const { cluster, nodeId, place } = this.#options;
    if (node === nodeId && place !== undefined) return place.clientUrl;
    return cluster.state.nodes.get(node)?.clientUrl ?? "";
  }

  /** Tells the way out which nodes are the peers now. */
  connect(): void {
    this.#options.outbox.setPeers(new Map(this.ids().map((id) => [id, this.#placesOf(id)])));
  }

  /**
   * Whether `id`, which knows the cluster's id and says that it serves at `address`, may speak with this
   * node. An unknown node that may is a provisional peer from now on.
   */
  admit(id: NodeId, address: string): boolean {
    if (!this.ids().includes(id)) {
      if (this.#options.leaderFollowed() !== NO_NODE || this.#provisional.size >= NODES_MAX) return false;
      if (!this.#mayBeMember(id) || !isAddress(address)) return false;
      this.#provisional.add(id);
    }
    this.#noteAddress(id, address);
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

  /** Which members are not believed, and why; it is over when they have been removed from the cluster. */
  get distrustTrouble(): string | undefined {
    const { retired } = this.#options.cluster.state;
    const present = [...this.#distrusted].filter(([id]) => !retired.has(id));
    if (present.length === 0) return undefined;
    return present.map(([id, reason]) => `Nothing is believed that node ${id} says: ${reason}`).join(". ");
  }

  /** A peer has spoken to this node. */
  noteHeard(): void {
    this.#hasHeard = true;
  }

  /** Where nobody has reached this node since its start, if that is so and somebody should have. */
  get unreachedAt(): string | undefined {
    const { place } = this.#options;
    return this.#hasHeard || this.ids().length === 0 ? undefined : place?.address;
  }

  /**
   * Where the node may be, the likeliest first. A founder was told where founders are, and a whole cluster
   * may be started at other addresses than its state says; but what was changed since the founding counts
   * too. Of all others the state knows best, but it may be old, so what they say themselves comes behind it.
   */
  #placesOf(node: NodeId): readonly string[] {
    const { hasJoined, shape, cluster } = this.#options;
    const told = shape.nodes.get(node);
    const current = cluster.state.nodes.get(node);
    const places = hasJoined || told === undefined
      ? [current?.address, told, this.#said.get(node)]
      : [told, current?.hasMoved === true ? current.address : undefined];
    return [...new Set(places.filter((place) => place !== undefined))];
  }

  #noteAddress(id: NodeId, address: string): void {
    if (this.#said.get(id) === address || !isAddress(address)) return;
    this.#said.set(id, address);
    this.connect();
  }

  #mayBeMember(id: NodeId): boolean {
    const { nodeId, cluster } = this.#options;
    return id >= 1 && id <= NODE_ID_MAX && id !== nodeId && !cluster.state.retired.has(id);
  }
}
