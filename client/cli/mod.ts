/**
 * The `prkdb` command. `command.ts` knows the command line and the exit codes, `actions.ts` and
 * `cluster_actions.ts` what each command does, `health.ts` what is wrong with a cluster, `encoding.ts` how
 * bytes stand on a command line, and `main.ts` the process. It uses the client as any program does, through
 * `client/mod.ts`.
 *
 * What it never does: it replaces no bytes, asks for nothing, and keeps nothing between two calls.
 *
 * @module
 */

export { runCli } from "./main.ts";
