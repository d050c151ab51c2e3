/**
 * The simulator as a command: `deno task sim --seed N --steps M` replays one seed, `--seeds K` runs that many
 * from there on, `--minutes X` as many as fit. Ends with the simulated hours; a failure ends with the line
 * that replays it.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeTotals, type ManySeeds, runManySeeds } from "./many_seeds.ts";
import { runSimulation, type SimulationOptions } from "./simulation.ts";

const STEPS = 10_000;

if (import.meta.main) Deno.exit(await main(Deno.args));

type Flags = ReturnType<typeof parseFlags>;

function parseFlags(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      steps: { type: "string", default: String(STEPS) },
      seeds: { type: "string" },
      minutes: { type: "string" },
      workers: { type: "string", default: "2" },
      trace: { type: "boolean", default: false },
    },
  });
  return values;
}

async function main(args: readonly string[]): Promise<number> {
  let values: Flags;
  try {
    values = parseFlags(args);
  } catch (error) {
    console.error(`sim: ${error instanceof Error ? error.message : error}`);
    return 2;
  }
  const steps = Number(values.steps);
  const firstSeed = Number(values.seed ?? (values.minutes === undefined ? 1 : Date.now() % 2 ** 31));
  const isMany = values.seeds !== undefined || values.minutes !== undefined;
  if (!isMany) return await runOne({ seed: firstSeed, steps, keepsTrace: values.trace });
  const untilMs = values.minutes === undefined
    ? Infinity
    : performance.now() + Number(values.minutes) * 60_000;
  const end = values.seeds === undefined ? Infinity : firstSeed + Number(values.seeds);
  return await runMany({
    steps,
    workers: Number(values.workers),
    seeds: seedsWhile(firstSeed, (seed) => seed < end && performance.now() < untilMs),
  });
}

function* seedsWhile(first: number, isWanted: (seed: number) => boolean): Generator<number> {
  for (let seed = first; isWanted(seed); seed++) yield seed;
}

async function runOne(options: SimulationOptions): Promise<number> {
  const startedMs = performance.now();
  try {
    const { lines, ...result } = await runSimulation(options);
    if (options.keepsTrace) console.log(lines.join("\n"));
    const realMs = performance.now() - startedMs;
    console.log(JSON.stringify(result));
    console.log(
      `${(result.simulatedMs / 1_000).toFixed(1)} simulated seconds in ${(realMs / 1_000).toFixed(2)} s: ` +
        `${(result.simulatedMs / realMs).toFixed(0)} × real time`,
    );
    return 0;
  } catch (error) {
    console.error(await report(error instanceof Error ? error.message : String(error)));
    return 1;
  }
}

async function runMany(options: ManySeeds): Promise<number> {
  const startedMs = performance.now();
  const totals = await runManySeeds({
    ...options,
    onAnswer: (answer) => {
      if (answer.kind === "failed") console.error(answer.message.split("\n", 3).join("\n"));
    },
  });
  console.log(describeTotals(totals, performance.now() - startedMs));
  const [smallest] = totals.failures;
  if (smallest === undefined) return 0;
  console.error(await report(smallest.message));
  return 1;
}

/** A seed means something only together with the source it was run with. */
async function report(message: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"] }).output();
    return `commit ${new TextDecoder().decode(stdout).trim()}\n${message}`;
  } catch {
    // Not a checkout; the message alone must do.
    return message;
  }
}
