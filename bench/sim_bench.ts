/**
 * `deno task bench:sim`: how fast the tools of the tests are, on which it depends how much they find in an
 * hour: the simulator, in simulated time per real time, and the checker of histories, in operations.
 *
 * Flags: `--seeds N` of the simulator (12), `--json`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { checkLinearizable } from "../tests/linearizability/checker.ts";
import { randomHistory } from "../tests/linearizability/random_history.ts";
import { runSimulation } from "../tests/sim/simulation.ts";
import { SeededRandom } from "../tests/support/seeded_random.ts";
import { type Figure, machine, printFigures, rounded } from "./report.ts";

/** Larger clusters have more to do in the same time, so only these are comparable. */
const NODES = 3;
const STEPS = 10_000;
const OPERATIONS = 10_000;

const { values: flags } = parseArgs({
  args: Deno.args,
  options: { seeds: { type: "string", default: "12" }, json: { type: "boolean", default: false } },
});

await main();

async function main(): Promise<void> {
  const say = flags.json ? () => {} : console.log;
  say(`${machine()}; simulator and checker on one core`);
  const figures = [
    await measureSimulator(say),
    measureChecker("ten_keys", { clients: 20, keys: 10 }),
    measureChecker("one_key", { clients: 64, keys: 1 }),
  ];
  say("");
  printFigures(figures, flags.json);
}

/** The bar is 20 times on an idle core. */
async function measureSimulator(say: (line: string) => void): Promise<Figure> {
  let simulatedMs = 0;
  let elapsedMs = 0;
  for (let seed = 1; seed <= Number(flags.seeds); seed++) {
    const startedMs = performance.now();
    const result = await runSimulation({ seed, steps: STEPS });
    if (result.nodes !== NODES) continue;
    simulatedMs += result.simulatedMs;
    elapsedMs += performance.now() - startedMs;
  }
  say(`${NODES} nodes: ${rounded(simulatedMs / elapsedMs)} × real time`);
  return { name: "sim_times_real", value: simulatedMs / elapsedMs, unit: "x" };
}

/** How many clients make the operations of a history, and on how many keys. */
interface HistoryShape {
  readonly clients: number;
  readonly keys: number;
}

function measureChecker(name: string, { clients, keys }: HistoryShape): Figure {
  const history = randomHistory({
    random: new SeededRandom(7),
    operations: OPERATIONS,
    clients,
    keys,
    unknownPercent: 5,
    unversionedPercent: 50,
    values: Infinity,
  });
  const startedMs = performance.now();
  checkLinearizable(history);
  const seconds = (performance.now() - startedMs) / 1_000;
  return { name: `checker_${name}`, value: OPERATIONS / seconds, unit: "operations/s" };
}
