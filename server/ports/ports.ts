/**
 * The four ways the world enters a node: time, peers, disk and chance. The simulator replaces these and
 * nothing else. The disk's port is `FileSystem` of `wal-wasm`; chance is a seed.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { PeerStatus } from "../api/mod.ts";
import type { PeerBatch } from "./peer_batch.ts";
import type { SnapshotAnswer, SnapshotRequest } from "./snapshot_exchange.ts";

export type { FileSystem } from "../../wal-wasm/mod.ts";

/** A timer that has been set. */
export interface Timer {
  cancel(): void;
}

/** Time. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  monotonicMs(): number;
  /** Milliseconds since 1970; may jump. */
  wallMs(): number;
  /** Calls back once after at least `delayMs` milliseconds. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls back as soon as whatever has already arrived was taken in. */
  soon(callback: () => void): void;
}

/** What the peers send, and what becomes of the streams to them. */
export type PeerInput =
  | { readonly kind: "peerBatch"; readonly from: NodeId; readonly batch: PeerBatch }
  /** A stream to the peer is open; what was sent before may be lost. */
  | { readonly kind: "peerConnected"; readonly peer: NodeId }
  | { readonly kind: "peerLost"; readonly peer: NodeId }
  /** The peer says that this node was removed from the cluster. */
  | { readonly kind: "removed"; readonly by: NodeId };

/** Where that goes: the node's inbox. */
export interface PeerInbox {
  /** Inputs waiting. */
  readonly size: number;
  push(input: PeerInput): void;
}

/** What answers at an address. */
export type Answerer =
  /** The cluster's id is empty while the node does not know it. */
  | { readonly kind: "node"; readonly nodeId: NodeId; readonly clusterId: string }
  /** Something that is no node. */
  | { readonly kind: "stranger"; readonly reason: string }
  | { readonly kind: "nobody"; readonly reason: string };

/** The way to the peers. What they send arrives in the node's inbox. */
export interface PeerTransport {
  /**
   * From now on these are the peers, each with the addresses, `host:port`, at which it may be, the likeliest
   * first; replies to former ones may still leave.
   */
  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void;
  /** Asks at an address, `host:port`, who is there; never rejects. */
  whoIsAt(address: string): Promise<Answerer>;
  /**
   * Hands a batch over without waiting. It may be lost, never reordered with others to the same peer; false:
   * it is lost for certain.
   */
  send(to: NodeId, batch: PeerBatch): boolean;
  /**
   * Asks for a snapshot, or a part of one, beside the batches. Settles within some seconds.
   *
   * @throws when no answer came
   */
  askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer>;
  statuses(): readonly PeerStatus[];
  close(): Promise<void>;
}
