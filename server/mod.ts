/**
 * A node of the cluster as a program and as a library: this room puts the others together. It is the only one
 * that knows all of them, and nothing in the server imports it.
 *
 * **What it owns.** The life of a node: the order in which it starts and stops, the two listening ports, the
 * process's signals and exit codes, and where log lines go. No idea of its own about data or consensus.
 *
 * **The staircase.** Each room of the server may import only rooms below it; `tests/tidy/house_rules.ts`
 * holds the order. Each room's header, in its `mod.ts`, says what it is for.
 *
 * ```
 * server                         puts everything together
 * ops   rpc (method, kv, cluster)   http   peers       what speaks with operators, clients and other nodes
 * node                           the loop, the log, the replicas
 * calls                          clients' calls inside a node
 * ports   data   config          the outside world as interfaces; the data directory; flags
 * api                            what the rest may know of a node
 * cluster   kv                   the two state machines: pure
 * ```
 *
 * Below all of it: `raft`, `wal-wasm` and `proto`.
 *
 * **Starting.** Flags are read and judged; the ports are bound; a node that joins asks its cluster; the data
 * directory is locked and checked; the log is recovered and the node made; then the ports begin to serve, and
 * the streams to the peers are opened. A start that must fail does so before it has changed anything, with
 * one line on standard error and exit code 2.
 *
 * **Stopping.** Clients' streams end, leaderships are handed over, calls under way are answered, the log is
 * synced and closed, the lock released: exit code 0. When the log cannot be written any more, nothing is
 * retried: exit code 1 at once, and the next start recovers.
 *
 * **Read in this order.** `server.ts`: a node with its ports, in the order above. `embedded.ts`: a node
 * without a network inside another program. `main.ts`: `deno task server`, one node in a process.
 * `logging.ts`: its log. `start_error.ts`: why a node does not start. `local_cluster.ts`: `deno task
 * cluster`, three processes on one machine for trying things out; `local_advice.ts`: what helps when one of
 * them ends; `local_programs.ts`: how they are started.
 *
 * **What it never does.** It keeps nothing but the parts that it has put together, and decides nothing that a
 * room below could decide.
 *
 * **Invariants**
 *
 * - Everything is made in order of dependence; nothing is used before it is complete.
 * - A running node writes one line to standard output, which says where it serves; warnings, errors and the
 *   log go to standard error.
 * - A node stops once: a second request to stop waits for the first.
 *
 * @module
 */

export { ConfigError, ConfigNotice, parseConfig, type ServerConfig } from "./config/mod.ts";
export { DataDirectoryError } from "./data/mod.ts";
export { EmbeddedNode, type EmbeddedOptions } from "./embedded.ts";
export { DomainError, type NodeApi, VERSION } from "./api/mod.ts";
export { runLocalCluster } from "./local_cluster.ts";
export { runNode } from "./main.ts";
export { Node, type NodeOptions } from "./node/mod.ts";
export { Server } from "./server.ts";
