/**
 * The command line of `prkdb`, apart from the process it runs in: arguments in, exit code out.
 *
 * Keys and values are text unless `--hex` or `--base64` is given, which then holds for all of them, in and
 * out. A value `-` is read from standard input as it is. A value is printed followed by a line feed; with
 * `--raw` as it is. With `--json` every command prints one line of JSON, with keys and values in the chosen
 * notation. Nothing is replaced on the way: what is no text is refused, or stands in `valueBase64`.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import manifest from "../../deno.json" with { type: "json" };
import { NotFoundedError, PrkDbClient, PrkDbError } from "../mod.ts";
import { deleteKey, getKey, getMany, incrementKey, putKey, showStatus } from "./actions.ts";
import { showHealth, tellUnfounded } from "./cluster_actions.ts";
import { addCluster } from "./cluster_command.ts";
import type { ActionContext, CliAction, CommandContext, LocalAction } from "./context.ts";
import { ttlOptions } from "./duration.ts";
import { addDirectories } from "./directory_command.ts";
import { type Encoding, UsageError } from "./encoding.ts";

/** Where a node listens when it is started with node id 1 and nothing else. */
const DEFAULT_ADDRESS = "127.0.0.1:50051";

/** The client's own limit of a deadline; above it, connecting would be refused. */
const LIMIT_MS_MAX = 300_000;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_UNANSWERED = 3;

const EXIT_CODES_HELP = `
Exit codes:
  0  done; also "delete" of a key that is not there, and "health" of a cluster that is ready
  1  no such key ("get", and "get-many" if one of them is missing), a condition that does not hold, a refusal
     of the cluster, a change that was not carried out or that nobody knows ("cluster watch"), a node that
     does not answer "status", a cluster that is not whole ("cluster status") or not ready ("health"),
     damage that was found ("inspect", "verify"), or a backup that cannot be made or restored
  2  wrong use: a command line that is wrong, or a value that cannot be shown as text; nothing was written
  3  nobody could answer in time: no node is reached, or the cluster cannot do it now; try again`;

/** The options of all commands, as commander names them. */
export interface GlobalOptions {
  readonly address?: readonly string[];
  readonly timeoutMs?: number;
  readonly json?: boolean;
  readonly hex?: boolean;
  readonly base64?: boolean;
}

interface WholeRange {
  readonly min: number;
  readonly max?: number;
}

/** Runs the command named by `args` and returns the exit code. Never rejects. */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  let chosen: CliAction | undefined;
  let local: LocalAction | undefined;
  const program = buildProgram(context, (action) => chosen = action);
  addDirectories(program, { cluster: (action) => chosen = action, local: (action) => local = action });
  try {
    program.parse(args, { from: "user" });
    const options = program.opts<GlobalOptions>();
    if (local !== undefined) return await local({ ...context, json: options.json ?? false });
    if (chosen === undefined) throw new UsageError("No command was given: see prkdb --help");
    return await runAction(chosen, context, options);
  } catch (error) {
    return exitCodeOf(error, context);
  }
}

async function runAction(
  action: CliAction,
  context: CommandContext,
  options: GlobalOptions,
): Promise<number> {
  const addresses = options.address?.join(",") ?? context.environment("PRKDB_ADDRESS") ?? DEFAULT_ADDRESS;
  const { timeoutMs } = options;
  const leftMs = limitFromNow(timeoutMs);
  const encoding = encodingOf(options);
  let client: PrkDbClient;
  try {
    client = await connect(addresses, timeoutMs);
  } catch (error) {
    if (action !== showHealth || !(error instanceof NotFoundedError)) throw error;
    // That the cluster is not founded is the answer to what was asked.
    return tellUnfounded(error, { ...context, json: options.json ?? false });
  }
  try {
    return await action({ ...context, client, encoding, json: options.json ?? false, leftMs });
  } finally {
    await client.close();
  }
}

/** Addresses of two clusters are a mistake of the command line. */
async function connect(addresses: string, timeoutMs: number | undefined): Promise<PrkDbClient> {
  try {
    return await PrkDbClient.connect(addresses, { timeoutMs });
  } catch (error) {
    const isWrong = error instanceof PrkDbError && error.code === "invalid_argument";
    throw isWrong ? new UsageError(`${error.message} (--address)`) : error;
  }
}

/** The limit is that of the command as a whole, connecting included. */
function limitFromNow(timeoutMs: number | undefined): ActionContext["leftMs"] {
  if (timeoutMs === undefined) return () => undefined;
  const deadline = performance.now() + timeoutMs;
  return () => {
    const left = Math.ceil(deadline - performance.now());
    if (left > 0) return left;
    throw new PrkDbError("deadline_exceeded", `The command did not end within ${timeoutMs} ms: allow more`);
  };
}

function encodingOf({ hex, base64 }: GlobalOptions): Encoding {
  if (hex) return "hex";
  return base64 ? "base64" : "text";
}

/** Wrong arguments are the user's: usage. Everything else is the cluster's answer, told in one line. */
function exitCodeOf(error: unknown, { writeError }: CommandContext): number {
  // commander has already written its own message; asking for help is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof PrkDbError) {
    // The client knows only what it was told; what keeps a partition without a leader is the nodes' to say.
    const advice = error.code === "deadline_exceeded" && error.cause !== undefined
      ? ". See prkdb health"
      : "";
    writeError(`prkdb: ${error.message} (${error.code})${advice}\n`);
    // What was aborted has been answered: it was not carried out, or it is not known whether.
    return error.retryable && error.code !== "aborted" ? EXIT_UNANSWERED : EXIT_FAILED;
  }
  const isUsage = error instanceof UsageError || error instanceof TypeError || error instanceof RangeError;
  writeError(`prkdb: ${error instanceof Error ? error.message : String(error)}\n`);
  return isUsage ? EXIT_USAGE : EXIT_FAILED;
}

function buildProgram(context: CommandContext, choose: (action: CliAction) => void): Command {
  const program = new Command("prkdb")
    .description(
      "Reads and writes a prkdb cluster. Keys and values are text unless --hex or --base64 is given.",
    )
    .version(manifest.version)
    .option("-a, --address <addresses>", addressHelp(), collect)
    .option("--timeout-ms <ms>", timeoutHelp(), wholeNumber({ min: 1, max: LIMIT_MS_MAX }))
    .option("--json", "print one line of JSON")
    .addOption(new Option("--hex", "keys and values are hexadecimal digits").conflicts("base64"))
    .addOption(new Option("--base64", "keys and values are base64"))
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.writeOutput(new TextEncoder().encode(text)),
      writeErr: context.writeError,
      // Nothing here is coloured, so there is no need to look at the environment and the terminal.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("after", EXIT_CODES_HELP);
  addWrites(program, choose);
  addReads(program, choose);
  program.command("status").description("show every node and the replicas it holds")
    .action(() => choose(showStatus));
  program.command("health").description("say whether calls can succeed, and in words what is wrong")
    .action(() => choose(showHealth));
  addCluster(program, choose);
  return program;
}

function addressHelp(): string {
  return "nodes, host:port or http://host:port, with commas between them; may be repeated " +
    `(default: $PRKDB_ADDRESS, or ${DEFAULT_ADDRESS})`;
}

function timeoutHelp(): string {
  return "end after so many milliseconds, connecting included (default: 10000 for each call, no end to --watch)";
}

function addWrites(program: Command, choose: (action: CliAction) => void): void {
  const put = program.command("put").description(
    "set KEY to VALUE; VALUE - reads it from standard input (printf - | prkdb put KEY - sets the value -)",
  )
    .argument("<key>").argument("<value>");
  for (const option of ttlOptions("without it the key never expires")) put.addOption(option);
  put.addOption(ifAbsent())
    .addOption(ifExists())
    .addOption(ifVersion())
    .action((key, value, options) => choose(putKey(key, value, options)));
  program.command("delete")
    .description("remove KEY, and say whether there was such a key; exit code 0 in both cases")
    .argument("<key>")
    .addOption(ifExists())
    .addOption(ifVersion())
    .action((key, options) => choose(deleteKey(key, options)));
  const increment = program.command("increment")
    .description(
      "add BY to the number that KEY holds, 0 if there is no such key, and print it; BY may be negative",
    )
    .argument("<key>").argument("[by]", "whole number of 64 bits", numberText, "1");
  for (const option of ttlOptions("without it that stays as it is")) increment.addOption(option);
  increment.addOption(ifAbsent())
    .addOption(ifExists())
    .addOption(ifVersion())
    .action((key, by, options) => choose(incrementKey(key, by, options)));
}

function addReads(program: Command, choose: (action: CliAction) => void): void {
  program.command("get").description(
    "print the value of KEY; exit code 1 when there is no such key; --json tells its version and when it expires",
  )
    .argument("<key>")
    .option("--raw", "print the bytes of the value as they are, without a line feed; not with --json")
    .addOption(new Option("--stale", "any replica may answer from its own state").conflicts("follower"))
    .addOption(new Option("--follower", "ask a follower; still linearizable"))
    .action((key, options) => {
      // Only options of one command can be declared to exclude each other.
      if (options.raw && program.opts<GlobalOptions>().json) {
        throw new UsageError("Cannot print a value both with --raw and with --json: leave one of them out");
      }
      choose(getKey(key, options));
    });
  program.command("get-many").description(
    "print the values of KEYs, a line each: key, tab, value; what is missing is said, exit code 1",
  )
    .argument("<keys...>")
    .addOption(new Option("--stale", "any replica may answer from its own state").conflicts("follower"))
    .addOption(new Option("--follower", "ask a follower; still linearizable"))
    .action((keys, options) => choose(getMany(keys, options)));
}

function ifAbsent(): Option {
  return new Option("--if-absent", "only if there is no such key").conflicts(["ifExists", "ifVersion"]);
}

function ifExists(): Option {
  return new Option("--if-exists", "only if there is such a key").conflicts("ifVersion");
}

function ifVersion(): Option {
  return new Option("--if-version <version>", "only if the key is at this version")
    .argParser(wholeNumber({ min: 0 }));
}

function collect(address: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), address];
}

/** A whole number, as it stands there; whether it is in range is the client's to say. */
function numberText(text: string): string {
  if (/^-?\d{1,20}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be a whole number.");
}

/** A parser of whole numbers; without `max` up to 2^53−1. */
function wholeNumber({ min, max = Number.MAX_SAFE_INTEGER }: WholeRange): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
