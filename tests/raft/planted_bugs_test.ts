/**
 * The checker is checked: every planted bug must be caught by random schedules within a budget of seeds. The mutants
 * are copies of `raft/` in a temporary folder, beside copies of the test cluster that import them.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { type Edit, PLANTED_BUGS, type PlantedBug } from "./planted_bugs.ts";
import type { runSchedule } from "./schedule.ts";

const SEEDS_MAX = 6_000;
const STEPS = 4_000;
const LIMIT_MS = 120_000;
const ROOT = new URL("../../", import.meta.url);
const TEST_FILES = ["cluster.ts", "disk.ts", "oracle.ts", "schedule.ts"];

const test = suite("planted bugs");
const folder = Deno.makeTempDirSync({ prefix: "planted-bugs-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));

for (const bug of PLANTED_BUGS) {
  test(`is caught: ${bug.name}`, async () => {
    const seed = await firstSeedThatFails(bug);
    assert.ok(seed !== undefined, `${SEEDS_MAX} schedules did not notice that ${bug.name}`);
    if (Deno.env.has("RAFT_VERBOSE")) console.log(`${bug.name}: seed ${seed}`);
  }, { limitMs: LIMIT_MS });
}

async function firstSeedThatFails(bug: PlantedBug): Promise<number | undefined> {
  const module = await import(plant(bug)) as { readonly runSchedule: typeof runSchedule };
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    try {
      module.runSchedule({ seed, steps: STEPS });
    } catch {
      return seed;
    }
  }
  return undefined;
}

/** Copies core and test cluster, edits the copy, and returns where its `schedule.ts` is. */
function plant(bug: PlantedBug): string {
  const root = `${folder}/${bug.name.replaceAll(" ", "_")}`;
  Deno.mkdirSync(`${root}/raft`, { recursive: true });
  Deno.mkdirSync(`${root}/tests/raft`, { recursive: true });
  for (const { name } of Deno.readDirSync(new URL("raft", ROOT))) copy(`raft/${name}`, root);
  for (const name of TEST_FILES) copy(`tests/raft/${name}`, root);
  for (const edit of bug.edits) applyEdit(`${root}/raft/${edit.file}`, edit);
  return `file://${root}/tests/raft/schedule.ts`;
}

function copy(path: string, root: string): void {
  Deno.copyFileSync(new URL(path, ROOT), `${root}/${path}`);
}

function applyEdit(path: string, edit: Edit): void {
  const source = Deno.readTextFileSync(path);
  const parts = source.split(edit.find);
  assert.is(parts.length, 2, `${edit.file} must hold the text to edit exactly once: ${edit.find}`);
  Deno.writeTextFileSync(path, parts.join(edit.replace));
}

test.run();
