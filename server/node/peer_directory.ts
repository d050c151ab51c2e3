/**
 * Whom this node speaks with, and where they are: the members of its cluster, whom it was told of at its
 * start, and guests.
 *
 * A node that was away may come back to a cluster in which everybody it knows has been replaced. The others
 * know it and open streams to it; if it refused them as strangers, it would never learn who they are. So
 * while nobody it knows leads the cluster's own group, it takes in whoever knows the cluster's id, and
 * answers at the address in their hello.
 *
 * @module
 */

import { NODE_ID_MAX } from "../../proto/mod.ts";
import { type GroupId, NO_NODE, type NodeId } from "../../raft/mod.ts";
import { CLUSTER_GROUP, type ClusterShape, type ClusterState, isAddress, NODES_MAX } from "../cluster/mod.ts";

/** Where the answers come from. */
export interface PeerDirectoryOptions {
  readonly nodeId: NodeId;
  /** What this node was started with. */
  readonly shape: ClusterShape;
  /** Whether it was there when the cluster was founded. */
  readonly isFounder: boolean;
  /** What it knows of the cluster now. */
  readonly state: () => ClusterState;
  readonly leaderOf: (group: GroupId) => NodeId;
  /** A guest was let in: there is one peer more. */
  readonly onGuest: () => void;
}

/** See the module comment. */
export class PeerDirectory {
  readonly #options: PeerDirectoryOptions;
  /**
   * With their addresses. They stay until the node stops: one may lead before the log says that it is a
   * member.
   */
  readonly #guests = new Map<NodeId, string>();

  constructor(options: PeerDirectoryOptions) {
    this.#options = options;
  }

  /** All peers, ascending. */
  ids(): readonly NodeId[] {
    const { nodeId, shape, state } = this.#options;
    const { nodes, retired } = state();
    // The own picture may be so old that nobody in it is left.
    const others = [...shape.nodes.keys(), ...this.#guests.keys()].filter((id) => !retired.has(id));
    const known = new Set([...nodes.keys(), ...others]);
    return [...known].filter((id) => id !== nodeId).sort((a, b) => a - b);
  }

  /**
   * `host:port`, empty if unknown. Founders are where the flags say; a whole cluster may be started at other
   * addresses.
   */
  addressOf(node: NodeId): string {
    const { isFounder, shape, state } = this.#options;
    const founded = shape.nodes.get(node);
    const current = state().nodes.get(node)?.address;
    return (isFounder ? founded ?? current : current ?? founded) ?? this.#guests.get(node) ?? "";
  }

  /**
   * Whether `id`, who knows the cluster's id and says that it serves at `address`, may speak with this node.
   * Whoever is let in as a guest is a peer from now on.
   */
  admits(id: NodeId, address: string): boolean {
    if (this.ids().includes(id)) return true;
    const isLost = this.#options.leaderOf(CLUSTER_GROUP) === NO_NODE;
    if (!isLost || this.#guests.size >= NODES_MAX || !this.#mayBeMember(id) || !isAddress(address)) {
      return false;
    }
    this.#guests.set(id, address);
    this.#options.onGuest();
    return true;
  }

  #mayBeMember(id: NodeId): boolean {
    const { nodeId, state } = this.#options;
    return id >= 1 && id <= NODE_ID_MAX && id !== nodeId && !state().retired.has(id);
  }
}
