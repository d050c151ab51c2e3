/**
 * What a node asks another one for that is to bring it a snapshot, and what it is answered, in domain types;
 * `server/snapshot` is their border with bytes. It never travels with the batches of `peer_batch.ts`.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";

/** One request; every one is answered. */
export type SnapshotRequest =
  /** Asks for a snapshot of the group as it is now, or was a moment ago. */
  | { readonly kind: "begin"; readonly group: GroupId }
  /** Asks for `bytesMax` bytes of a file of it; for none, to say that it is still in use. */
  | {
    readonly kind: "read";
    readonly group: GroupId;
    readonly snapshotId: number;
    readonly fileNumber: number;
    readonly offset: number;
    readonly bytesMax: number;
  }
  /** It is not in use any more. */
  | { readonly kind: "end"; readonly group: GroupId; readonly snapshotId: number };

/** The answer. */
export type SnapshotAnswer =
  /** The description is the store's, as bytes. */
  | { readonly kind: "begun"; readonly snapshotId: number; readonly description: Uint8Array }
  | { readonly kind: "part"; readonly bytes: Uint8Array }
  | { readonly kind: "done" }
  /** If `isGone`, another snapshot has to be begun; else the same request may be answered later. */
  | { readonly kind: "refused"; readonly reason: string; readonly isGone: boolean };
