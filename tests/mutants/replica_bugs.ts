/**
 * Bugs of a core that takes a replica for the one that was on its node before it, as edits of this one's
 * source. They belong to the list of `raft_bugs.ts`.
 *
 * @module
 */

import type { PlantedBug } from "./planter.ts";

/** See the module comment. */
export const REPLICA_BUGS: readonly PlantedBug[] = [
  {
    name: "a late acknowledgement counts for a replica's successor",
    caughtBy: "scripts",
    edits: [{
      file: "replica_ids.ts",
      find: "    if (fromReplica < replicaAt(state, from)) return false;\n",
      replace: "",
    }, {
      file: "replication.ts",
      find:
        "  return fromReplica === NO_REPLICA || follower?.replica === fromReplica ? follower : undefined;",
      replace: "  return fromReplica >= NO_REPLICA ? follower : undefined;",
    }],
  },
  {
    name: "the vote of another replica counts for the one that a membership means",
    caughtBy: "scripts",
    edits: [{
      file: "election.ts",
      find: "if (isMeant(state.membership, { node, replica })) countVote",
      replace: "if (isMeant(state.membership, { node, replica }) || granted) countVote",
    }],
  },
  {
    name: "a replica votes by a membership that means the one before it",
    caughtBy: "scripts",
    edits: [{
      file: "state.ts",
      find: "return isVoter(membership, node) && isMeant(membership, { node, replica });",
      replace: "return isVoter(membership, node) && (isMeant(membership, { node, replica }) || true);",
    }],
  },
  {
    name: "a message for another replica is taken",
    caughtBy: "scripts",
    edits: [{
      file: "replica_ids.ts",
      find: "return toReplica === state.replicaId || toReplica === NO_REPLICA ||",
      replace: "return toReplica >= NO_REPLICA ||",
    }],
  },
  {
    name: "the id of a replica goes with a segment",
    caughtBy: "scripts",
    edits: [{
      file: "snapshot.ts",
      find: "const name = replicaId === NO_REPLICA ? {} : { replicaId };",
      replace: "const name = replicaId === NO_REPLICA ? {} : {};",
    }],
  },
  {
    name: "a replica is held to what was promised before it",
    caughtBy: "scripts",
    edits: [{
      file: "promises.ts",
      find: "  if (replica < replicaId) return undefined;\n",
      replace: "",
    }],
  },
];
