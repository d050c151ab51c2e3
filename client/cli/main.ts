/**
 * The `prkdb` command: `prkdb put KEY VALUE`, `prkdb get KEY` and so on. `prkdb --help` lists the exit codes.
 *
 * @module
 */

import { runCommand } from "./command.ts";

// Bundled, every module has the `import.meta` of the entry, so the name counts too.
if (import.meta.main && import.meta.url.endsWith("/main.ts")) await runCli(Deno.args);

/** Runs the command named by `args` in this process, and ends it. */
export async function runCli(args: readonly string[]): Promise<never> {
  const code = await runCommand(args, {
    environment: (name) => Deno.env.get(name),
    readInput: async () => new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer()),
    ask: (question) => Promise.resolve(Deno.stdin.isTerminal() ? askTerminal(question) : undefined),
    writeOutput: (bytes) => writeAll(Deno.stdout, bytes),
    writeError: (text) => writeAll(Deno.stderr, new TextEncoder().encode(text)),
    isTerminal: Deno.stderr.isTerminal(),
  });
  // At once: questions to nodes that are still silent would hold the process.
  Deno.exit(code);
}

/** A terminal hands over a line at a time. */
function askTerminal(question: string): string {
  writeAll(Deno.stderr, new TextEncoder().encode(question));
  const line = new Uint8Array(1_024);
  const length = Deno.stdin.readSync(line) ?? 0;
  return new TextDecoder().decode(line.subarray(0, length)).trim();
}

interface SyncWriter {
  readonly writeSync: (bytes: Uint8Array) => number;
}

/** Everything, because a write to a pipe may take less than it was given. */
function writeAll(writer: SyncWriter, bytes: Uint8Array): void {
  for (let position = 0; position < bytes.length;) position += writer.writeSync(bytes.subarray(position));
}
