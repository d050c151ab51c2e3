/**
 * The `prkdb` command. `command.ts` knows the command line and the exit codes, `actions.ts` and
 * `cluster_actions.ts` what each command does, `directory_actions.ts` those about files of this machine,
 * `health.ts` what is wrong with a cluster, `encoding.ts` how bytes stand on a command line, and `main.ts`
 * the process. It uses the client as any program does, through `client/mod.ts`; for files it uses rooms of
 * the server, which are loaded by the commands that need them.
 *
 * What it never does: it replaces no bytes, asks for nothing, and keeps nothing between two calls.
 *
 * @module
 */

export { runCli } from "./main.ts";
