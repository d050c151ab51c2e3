/**
 * Which node a call goes to: what the client knows of the cluster, and how it finds out.
 *
 * `routes.ts` is the table: nodes, partitions, who leads them, and which nodes lately did not answer. It is
 * pure; answers of nodes go in, targets come out. `discovery.ts` asks nodes for their metadata, one round at
 * a time for all that want it, and probes a node that is silent, so that busy ones are told from dead ones.
 * `seed_check.ts` refuses addresses of two clusters.
 *
 * The room owns every address the client uses: the seeds it was given, the members of the cluster, and former
 * members as a last resort. It decides by term and epoch which of two answers is newer, so that a node that
 * was cut off cannot lead the client back to an old leader. Every route is a guess all the same: a node that
 * does not lead says so, or forwards, and what it says is taken in as a hint.
 *
 * What it never does: it sends no call about data, repeats nothing (that is `client/pipeline`), and keeps no
 * connection. A cluster with another id, or another number of partitions, is refused and not followed,
 * because keys would be looked for in the wrong places.
 *
 * @module
 */

export { Discovery } from "./discovery.ts";
export { type PartitionRoute, Routes, type Target } from "./routes.ts";
