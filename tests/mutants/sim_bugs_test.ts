/**
 * The checkers are checked: every planted bug must be caught by the seeds that CI runs. The mutants are
 * copies of the source in a temporary folder. `SIM_RARE=1` adds the rarely met ones and looks longer,
 * `SIM_VERBOSE=1` prints the seed that catches each, and how; `SIM_BUG=words` looks for one alone.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { runManySeeds, seedsFrom } from "../sim/many_seeds.ts";
import type { Edit } from "./raft_bugs.ts";
import { RARELY_MET, SIMULATED_BUGS, type SimulatedBug } from "./sim_bugs.ts";

const isSearch = Deno.env.has("SIM_RARE");
/** As many as CI runs of the source as it is. */
const SEEDS_MAX = isSearch ? 400 : 200;
/** Of those, seeds that have caught something hidden before are tried first, to save time. */
const SEEDS_FIRST: readonly number[] = [1, 4, 8, 13, 29, 67, 74, 88];
const STEPS = 10_000;
const LIMIT_MS = 300_000;
const ROOT = new URL("../../", import.meta.url);
const FOLDERS = [
  "client",
  "proto",
  "raft",
  "server",
  "wal-wasm",
  "tests/sim",
  "tests/support",
  "tests/linearizability",
];

const test = suite("simulated bugs");
const folder = Deno.makeTempDirSync({ prefix: "simulated-bugs-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));

const wanted = Deno.env.get("SIM_BUG") ?? "";

for (const bug of SIMULATED_BUGS) {
  if (!bug.name.includes(wanted) || (RARELY_MET.has(bug.name) && !isSearch)) continue;
  test(`is caught: ${bug.name}`, async () => {
    const failure = await firstFailure(plant(bug));
    assert.ok(failure !== undefined, `${SEEDS_MAX} seeds do not notice that ${bug.name}`);
    if (Deno.env.has("SIM_VERBOSE")) {
      console.log(`${bug.name}\n  seed ${failure.seed}: ${reasonOf(failure.message)}`);
    }
  }, { limitMs: LIMIT_MS });
}

test("every bug can be planted, the rare ones too", () => {
  for (const edit of SIMULATED_BUGS.flatMap(({ edits }) => edits)) {
    edited(Deno.readTextFileSync(new URL(edit.file, ROOT)), edit);
  }
});

test("the copy without a bug passes", async () => {
  const root = plant({ name: "no bug", edits: [] });
  const { failures } = await runSeeds(root, seedsFrom(1, 5));
  assert.equal(failures, []);
}, { limitMs: LIMIT_MS });

async function firstFailure(root: string) {
  let isCaught = false;
  const seeds = new Set([...SEEDS_FIRST, ...seedsFrom(1, SEEDS_MAX)]);
  function* seedsUntilCaught() {
    for (const seed of seeds) {
      if (isCaught) return;
      yield seed;
    }
  }
  const { failures } = await runSeeds(root, seedsUntilCaught(), () => isCaught = true);
  return failures[0];
}

function runSeeds(root: string, seeds: Iterable<number>, onFailure = () => {}) {
  return runManySeeds({
    ...{ seeds, steps: STEPS, workers: 2 },
    workerUrl: new URL(`${root}/tests/sim/worker.ts`),
    onAnswer: (answer) => {
      if (answer.kind === "failed") onFailure();
    },
  });
}

/** Copies what the simulator needs, edits the copy, and returns where it is. */
function plant(bug: SimulatedBug): string {
  const root = `${folder}/${bug.name.replaceAll(/[^a-z]+/g, "_")}`;
  for (const name of FOLDERS) copyFolder(name, root);
  for (const edit of bug.edits) {
    const path = `${root}/${edit.file}`;
    Deno.writeTextFileSync(path, edited(Deno.readTextFileSync(path), edit));
  }
  return `file://${root}`;
}

function copyFolder(path: string, root: string): void {
  Deno.mkdirSync(`${root}/${path}`, { recursive: true });
  for (const entry of Deno.readDirSync(new URL(path, ROOT))) {
    const inner = `${path}/${entry.name}`;
    if (entry.isDirectory) copyFolder(inner, root);
    else Deno.copyFileSync(new URL(inner, ROOT), `${root}/${inner}`);
  }
}

function edited(source: string, { file, find, replace }: Edit): string {
  const parts = source.split(find);
  assert.is(parts.length, 2, `${file} must hold the text to edit exactly once: ${find}`);
  return parts.join(replace);
}

/** What was found, without the line that replays it. */
function reasonOf(message: string): string {
  return message.split("\n")[1] ?? message;
}

test.run();
