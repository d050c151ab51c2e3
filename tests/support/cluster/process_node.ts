/**
 * One process under test: `server/main.ts` with the permissions `deno task server` gives it, its last output
 * kept for diagnosis, signalled by its process id only.
 *
 * A process that this program leaves behind, because a test ran out of time, is killed when the program ends.
 *
 * @module
 */

import { PERMISSIONS, V8_FLAGS } from "../../../server/config/runtime_flags.ts";
import { forgetProcess, reapAtEnd } from "./reaper.ts";

const ENTRY = new URL("../../../server/main.ts", import.meta.url).pathname;
/** As much as fits on some screens; a node that logs without end must not fill the test's memory. */
const OUTPUT_CHARACTERS_MAX = 65_536;

/** What a process is started with. */
export interface ProcessNodeOptions {
  /** Flags of the server. */
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Most files and connections it may have open; what the system allows unless given. */
  readonly descriptorsMax?: number;
  /** What is run with the flags, `server/main.ts` unless given; a program of its own needs no project. */
  readonly program?: readonly string[];
  /** Where relative paths start; this process's directory unless given. */
  readonly directory?: string;
}

/** See the module comment. */
export class ProcessNode {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  #standardOutput = "";
  #standardError = "";
  #isRunning = true;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    const outputs = [
      collect(child.stdout, (text) => this.#standardOutput = tail(this.#standardOutput + text)),
      collect(child.stderr, (text) => this.#standardError = tail(this.#standardError + text)),
    ];
    this.#ended = child.status.then(async (status) => {
      this.#isRunning = false;
      forgetProcess(child.pid);
      await Promise.all(outputs);
      return status;
    });
    reapAtEnd(child.pid);
    // A forgotten process must not keep the test program from ending, which in turn ends the process.
    child.unref();
  }

  /** Starts the server; it may still refuse. */
  static start({ args, env, directory, descriptorsMax, program }: ProcessNodeOptions): ProcessNode {
    const entry = program ?? ["--no-check", ENTRY];
    const command = [Deno.execPath(), "run", "--quiet", ...PERMISSIONS, V8_FLAGS, ...entry, ...args];
    const [first, ...rest] = descriptorsMax === undefined ? command : limited(command, descriptorsMax);
    const child = new Deno.Command(first!, {
      args: rest,
      env: { NO_COLOR: "1", ...env },
      ...(directory === undefined ? {} : { cwd: directory }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new ProcessNode(child);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Resolves when the process has ended and all its output is here. */
  get ended(): Promise<Deno.CommandStatus> {
    // Now there is somebody who waits for it.
    this.#child.ref();
    return this.#ended;
  }

  /** The last of what it said on standard output. */
  get standardOutput(): string {
    return this.#standardOutput;
  }

  /** The last of what it said on standard error. */
  get standardError(): string {
    return this.#standardError;
  }

  /** Memory it uses, in bytes, as Linux counts it. */
  get residentBytes(): number {
    return this.#statusBytes("VmRSS");
  }

  /** The most memory that it has used since it began. */
  get peakResidentBytes(): number {
    return this.#statusBytes("VmHWM");
  }

  /** Files and connections that it has open. */
  get openDescriptors(): number {
    return [...Deno.readDirSync(`/proc/${this.pid}/fd`)].length;
  }

  #statusBytes(name: string): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  }

  /** Whether it has said that it serves. */
  get hasStarted(): boolean {
    return /^prkdb \S+: node \d+ serves /m.test(this.#standardOutput);
  }

  /** Sends a signal; nothing happens if the process has ended. */
  signal(signal: Deno.Signal): void {
    if (!this.#isRunning) return;
    try {
      Deno.kill(this.#child.pid, signal);
    } catch (error) {
      // It ended a moment ago.
      const isGone = error instanceof Deno.errors.NotFound || error instanceof TypeError;
      if (!isGone) throw error;
    }
  }
}

/** The shell makes way for the program, so that the process id is the program's. */
function limited(command: readonly string[], descriptorsMax: number): readonly string[] {
  return ["sh", "-c", `ulimit -n ${descriptorsMax} && exec "$0" "$@"`, ...command];
}

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of stream) take(decoder.decode(bytes, { stream: true }));
}

function tail(text: string): string {
  return text.length <= OUTPUT_CHARACTERS_MAX ? text : text.slice(-OUTPUT_CHARACTERS_MAX);
}
