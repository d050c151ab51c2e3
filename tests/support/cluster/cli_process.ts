/**
 * The `prkdb` command as a process of its own, with the permissions that `deno task cli` gives it.
 *
 * @module
 */

import manifest from "../../../deno.json" with { type: "json" };
import { withoutColours } from "../environment.ts";
import { forgetProcess, reapAtEnd } from "./reaper.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** How a command ended. */
export interface EndedCommand {
  readonly code: number;
  readonly output: string;
  readonly error: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly ended: Promise<EndedCommand>;
  /** Ends it at once, as a loss of power does. */
  kill(): void;
}

/** Starts a command. */
export function startCommand(args: readonly string[]): RunningCommand {
  const [, ...task] = manifest.tasks.cli.split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...task, ...args],
    cwd: ROOT,
    env: withoutColours(),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  reapAtEnd(child.pid);
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  };
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const ended = child.output().then(({ code, stdout, stderr }) => {
    forgetProcess(child.pid);
    return { code, output: text(stdout), error: text(stderr) };
  });
  return { ended, kill };
}

/** Runs a command to its end. */
export function runCommandProcess(args: readonly string[]): Promise<EndedCommand> {
  return startCommand(args).ended;
}
