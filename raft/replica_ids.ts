/**
 * Which replica of a node is meant. A node that gave up its replica of a group may be given another one,
 * which knows nothing of what the first has promised. Both have the node's id, so the id of the replica,
 * which is never used again in its group, tells them apart: what the first said late must not count for the
 * second.
 *
 * ```
 *   to another replica than this one       the sender, or this node, is behind            not taken
 *   from one below the highest known       its node has given it up since                 not taken
 *   from one above                         this node is behind: it is the highest now     taken
 *   either is not known                    the sender has not heard of it, or never will  taken
 * ```
 *
 * A higher id is believed though the host has not heard of it, for a node speaks by an id only when the
 * group that gives them has given it, and has given up the replica before.
 *
 * That is how messages find their way. Who counts, the membership in force says, which names its replicas:
 * another replica of a member's node is a stranger. It is answered and followed as the rules for strangers
 * are, but its votes and acknowledgements count for nothing, and it does not vote by a membership that means
 * one that was there before it, though its log, which it was given from the first entry on, brings that one
 * into force here once more.
 *
 * @module
 */

import type { Message } from "./message.ts";
import { notePromises } from "./promises.ts";
import { wake } from "./quiet.ts";
import { replicaAt, type ReplicaState } from "./state.ts";
import { NO_REPLICA, type NodeId, type ReplicaId } from "./types.ts";

/** Whether `message` is of a replica that may still be there, to this one; takes note of its sender. */
export function isBetweenReplicas(state: ReplicaState, message: Message): boolean {
  const { from, fromReplica = NO_REPLICA, toReplica = NO_REPLICA } = message;
  if (fromReplica !== NO_REPLICA) {
    if (fromReplica < replicaAt(state, from)) return false;
    noteReplica(state, { node: from, replica: fromReplica });
  }
  return toReplica === state.replicaId || toReplica === NO_REPLICA || state.replicaId === NO_REPLICA;
}

/** The replica that a node has, or will have. */
interface NodeReplica {
  readonly node: NodeId;
  readonly replica: ReplicaId;
}

/** Takes the replica on another node for this one, if it is later than the one that is known. */
export function noteReplica(state: ReplicaState, { node, replica }: NodeReplica): void {
  if (node === state.self || replica <= replicaAt(state, node)) return;
  // What its predecessor has promised is noted as that one's.
  notePromises(state);
  state.replicaIds.set(node, replica);
  wake(state);
  state.votes.delete(node);
  if (state.leader === node) state.leaderHolds = 0;
  if (state.transfer?.to === node) state.transfer = undefined;
}
