/**
 * What one node tells another in one turn, in domain types; `peers/codec.ts` is its border with bytes.
 *
 * @module
 */

import type { GroupId, Message, NodeId, Reminder, Term } from "../../raft/mod.ts";
import type { Failure, ReadResult } from "../api/mod.ts";
import type { Outcome } from "../kv/mod.ts";

/** A client's call that its first node passes on to the leader. */
export type ForwardedCall =
  | {
    readonly kind: "write";
    readonly callId: number;
    /** Milliseconds the caller is still willing to wait. */
    readonly timeoutMs: number;
    readonly group: GroupId;
    readonly command: Uint8Array;
  }
  | {
    readonly kind: "read";
    readonly callId: number;
    readonly timeoutMs: number;
    readonly group: GroupId;
    readonly keys: readonly Uint8Array[];
  };

/** The leader's answer. */
export type ForwardedReply =
  | { readonly kind: "outcome"; readonly callId: number; readonly outcome: Outcome }
  | { readonly kind: "values"; readonly callId: number; readonly values: readonly ReadResult[] }
  | { readonly kind: "failed"; readonly callId: number; readonly failure: Failure; readonly message: string };

/** The sender leads this group. */
export interface Leadership {
  readonly group: GroupId;
  readonly term: Term;
}

/** Everything for one peer; any part may be empty. */
export interface PeerBatch {
  readonly messages: readonly Message[];
  readonly calls: readonly ForwardedCall[];
  readonly replies: readonly ForwardedReply[];
  readonly leaderships: readonly Leadership[];
  /** What the receiver has promised to the sender; all of it at the start of a stream. */
  readonly reminders: readonly Reminder[];
}

/** Opens a stream of batches: which node does so, and to which. */
export interface PeerHello {
  readonly clusterId: string;
  readonly fromNode: NodeId;
  readonly toNode: NodeId;
  readonly protocolVersion: number;
  readonly address: string;
  /** Of the sender's data directory. */
  readonly incarnation: string;
  /** Of the receiver's data directory as the sender knows it; empty if they never met. */
  readonly expectedIncarnation: string;
}
