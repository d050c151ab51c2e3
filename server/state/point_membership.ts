/**
 * The membership in a store's point, in both directions. A replica that is fed from its group's first entry
 * on has none until the entry comes that takes it in.
 *
 * @module
 */

import { decodeMembership, encodeMembership, type Membership, type SnapshotMeta } from "../../raft/mod.ts";
import { NO_MEMBERS } from "../cluster/mod.ts";
import type { LogPoint } from "../storage/mod.ts";

/** The bytes of a membership; none for that of nobody. */
export function pointMembership(membership: Membership): Uint8Array {
  return membership.voters.length === 0 ? new Uint8Array(0) : encodeMembership(membership);
}

/** Where a state stands that is in a store up to its point. */
export function metaOfPoint({ index, term, membership, membershipIndex }: LogPoint): SnapshotMeta {
  const members = membership.length === 0 ? NO_MEMBERS : decodeMembership(membership);
  return { index, term, membership: members, membershipIndex };
}
