/**
 * How a node is to run: from flags and environment variables to one plain object, and the flags of the
 * runtime itself. No other room looks at either.
 *
 * **What it owns.** The list of flags with their defaults, ranges and help texts; the rules for what they
 * mean together; and the permissions and V8 flags with which every node process is started, by `deno task
 * server`, by `deno task cluster`, by the compiled program and by tests. It reads the environment variables
 * `PRKDB_*`, how much memory there is, and nothing else: no file, no network, no state that lives longer than
 * the call.
 *
 * **Read in this order.** `flags.ts`: each flag by itself, as written: name, variable, default, range.
 * `config.ts`: the whole: default ports, the node's own address among the members, what excludes what, and
 * warnings. `machine_memory.ts`: how much memory a node takes by itself. `runtime_flags.ts`: how the
 * process is started, and why.
 *
 * **Priority.** A flag wins over its variable (`--node-id` over `PRKDB_NODE_ID`), a variable over the
 * default. `--port` is another name of `--grpc-port`.
 *
 * **What it never does.** It starts nothing, opens nothing and touches no disk: a wrong flag is refused
 * before there is anything to clean up. It does not check against the data directory; whether the flags fit
 * the data is judged in `data/`. It is not asked again after the start: a running node's configuration does
 * not change.
 *
 * **Invariants**
 *
 * - A configuration that is returned is complete and sound; nobody checks it again. Every value is within its
 *   range, the node is one of its own members, and an election timeout is at least three heartbeats.
 * - A refusal is one line that names the flag, what is allowed, and where it helps what to use instead
 *   (`ConfigError`, exit code 2). `--help` and `--version` are no errors (`ConfigNotice`, exit code 0).
 * - What is legal and dangerous (a sync policy that may lose writes, listening without protection) is allowed
 *   and warned about, never silent.
 * - Times are milliseconds here and in the node; `raft` is told ticks, worked out in `node/bootstrap.ts`.
 *
 * A new flag: one line and its range in `flags.ts`, its meaning and a field in `config.ts`, a line in
 * `config_test.ts`.
 *
 * @module
 */

export { parseConfig, type ServerConfig } from "./config.ts";
export { ConfigError, ConfigNotice, DEFAULTS } from "./flags.ts";
export { type LoggingAsked, loggingAsked } from "./logging_asked.ts";
export { defaultMemoryBytes, divideMemory } from "./machine_memory.ts";
export { PERMISSIONS, V8_FLAGS } from "./runtime_flags.ts";
