/**
 * A node's data directory, except for the log inside it: that it belongs to one node of one cluster, that one
 * process uses it at a time, and the few facts that must survive a restart and stand in no log.
 *
 * ```
 * node-1/LOCK            held by the running node
 * node-1/identity.json   node, cluster, incarnation; written once, when the directory is first used
 * node-1/cluster_id.json the cluster's whole id, kept when the founding is heard of
 * node-1/cluster.json    a node that joined: what its cluster was when it was taken in
 * node-1/peers.json      the incarnation of each peer's directory, as first met
 * node-1/wal/            the log; belongs to wal-wasm/
 * ```
 *
 * **What it owns.** The lock and the four small JSON files above; and, in memory, the incarnations of the
 * peers. Every file is replaced as a whole: written beside, synced, renamed, the directory synced
 * (`atomic_file.ts`).
 *
 * **Read in this order.** `atomic_file.ts`: a write that is all or nothing. `data_directory.ts`: opening,
 * locking and marking a directory, and refusing it. `cluster_id.ts`: the id of the cluster, half of which is
 * drawn when the cluster is founded. `join.ts`: a node that comes to a running cluster (`--join`) asks to be
 * taken in and keeps what it was told; `join_call.ts`: who answers it there. `peer_identities.ts`: a peer
 * that comes back with another directory is recognised. `troubles.ts`: what fails for the moment and is
 * tried again. `descriptor_reserve.ts`: file descriptors kept back for the log and these files.
 * `directory_watch.ts`: a directory that is taken away from under a running node is noticed. `file_error.ts`:
 * the system's errors about files, in words.
 *
 * **Why incarnations.** A node that lost its disk has forgotten its votes and what it acknowledged; under its
 * old id it could complete a majority that forgets an acknowledged write. So each directory gets a name of
 * its own when it is first used, peers remember it, and a node that comes back with another one is refused
 * and told so (`docs/decisions/0008-…`).
 *
 * **What it never does.** It does not open the log or know its format, keeps no keys and nothing of Raft, and
 * never repairs, merges or deletes: a directory that does not fit is refused, untouched. It changes an
 * identity once, to add which log belongs to it: the directory is not opened without that log any more
 * (`docs/decisions/0016-…`).
 *
 * **Invariants**
 *
 * - A directory is opened by one process at a time, for the node, the cluster, the founders and the numbers
 *   of partitions and replicas that it was first used with. Addresses may change.
 * - A refusal changes nothing in the directory but the lock file.
 * - A cluster's id is settled once and never changes then.
 * - What a function of this room returns as known is durable: an identity before the log is opened, the
 *   answer of the cluster before a node that joins begins, a peer's incarnation before the peer is let in.
 * - A crash at any moment leaves each file whole: the old text or the new one.
 * - The file system is handed in, so that the simulator runs this very code on its own disks; `join.ts` alone
 *   speaks with the network.
 *
 * @module
 */

export { type ClusterId, isUndrawn } from "./cluster_id.ts";
export {
  type DataDirectory,
  DataDirectoryError,
  type DirectoryOwner,
  type Identity,
  identityPath,
  lostLog,
  newIncarnation,
  openDataDirectory,
  readOwner,
  rememberLog,
} from "./data_directory.ts";
export { DirectoryWatch } from "./directory_watch.ts";
export { DescriptorReserve, DESCRIPTORS_HELD_EMBEDDED } from "./descriptor_reserve.ts";
export { explainFileError } from "./file_error.ts";
export { askForMembers, type JoinRecord, type JoinRequest, obtainJoinRecord, shapeOf } from "./join.ts";
export { rootReason } from "./join_call.ts";
export { type IdentitiesPlace, PeerIdentities } from "./peer_identities.ts";
export { RESOURCE_TROUBLE_KINDS, type ResourceTrouble, Troubles } from "./troubles.ts";
