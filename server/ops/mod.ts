/**
 * What operators and their tools see of a node, on a port of its own: `/metrics` for Prometheus, `/healthz`
 * and `/readyz` for what starts and stops processes.
 *
 * **What it owns.** The counters and histograms of one node and their names, which are a contract with
 * dashboards; one timer, which measures how late timers fire; and two that look for partitions without a
 * leader and with too few replicas. The port belongs to `http/`, the figures that a node keeps anyway to the
 * node.
 *
 * **Two kinds of figures.** Some are fed as things happen: calls, turns, syncs, frames, proposals. Others the
 * node keeps itself, and they are read when somebody asks: terms, indexes, sizes, the state of peers.
 *
 * **Read in this order.** `readings.ts`: the figures that are read, as tables of name, help text and where
 * the value comes from, written as text from what is there. `metrics.ts`: those that are fed, and the page
 * with all of them. `health.ts`: the three paths. `quorum_watch.ts`: lost and regained majorities, in the
 * log; `replica_watch.ts`: missing replicas.
 *
 * **To add a figure,** add a line to a table of `readings.ts` if the node keeps it already (through
 * `api/node_api.ts`), or a counter and a method that feeds it to `metrics.ts`; then a line to
 * `metrics_test.ts`.
 *
 * **What it never does.** It changes nothing in a node and asks it only for what it knows at once: reading
 * metrics costs no round to a disk or a peer. It has no commands: those are methods of `ClusterService`. It
 * measures no request it was not told of, and keeps no history.
 *
 * **Invariants**
 *
 * - Names begin with `prkdb_`, end in their unit where they have one, and in `_total` if and only if they are
 *   counters. A name keeps its meaning; another meaning gets another name.
 * - The number of labels is bounded by the cluster: partitions, peers, methods and codes, never keys, clients
 *   or addresses.
 * - `/healthz` says that the process works, so it answers as long as anything does; `/readyz` says that the
 *   node knows nothing that keeps calls through it from succeeding (`api/trouble.ts`), with the first reason
 * as
 *   its body.
 * - What is gone (a peer, a partition) leaves no series behind.
 * - Feeding never throws and never waits: it runs inside turns and calls.
 *
 * @module
 */

export { opsRouter } from "./health.ts";
export { Metrics } from "./metrics.ts";
export type { MemoryFigures } from "./readings.ts";
export { QuorumWatch } from "./quorum_watch.ts";
export { ReplicaWatch } from "./replica_watch.ts";
