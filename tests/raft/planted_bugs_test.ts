/**
 * The checkers are checked: every planted bug must be caught, by random schedules within a budget of seeds or by the
 * text scripts. The mutants are copies of `raft/` in a temporary folder, beside copies of the test cluster that import
 * them. `RAFT_PLANTED_SEEDS=100000` looks for all of them with schedules alone.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { replay, scriptFiles } from "../script/script_file.ts";
import { type Edit, PLANTED_BUGS, type PlantedBug } from "./planted_bugs.ts";
import type { RaftScript } from "./raft_script.ts";
import type { runSchedule } from "./schedule.ts";

const SEEDS_MAX = Number(Deno.env.get("RAFT_PLANTED_SEEDS") ?? 4_000);
const ARE_ALL_BY_SCHEDULES = Deno.env.has("RAFT_PLANTED_SEEDS");
const STEPS = 4_000;
const LIMIT_MS = 1_200_000;
const ROOT = new URL("../../", import.meta.url);
const TEST_FILES = [
  "calm.ts",
  "cluster.ts",
  "describe.ts",
  "disk.ts",
  "drive.ts",
  "oracle.ts",
  "reshaping.ts",
  "raft_script.ts",
  "schedule.ts",
  "weather.ts",
];

const test = suite("planted bugs");
const folder = Deno.makeTempDirSync({ prefix: "planted-bugs-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));

for (const bug of PLANTED_BUGS) {
  test(`is caught: ${bug.name}`, async () => {
    const root = plant(bug);
    const isBySchedules = ARE_ALL_BY_SCHEDULES || bug.caughtBy === "schedules";
    const catcher = isBySchedules ? await failingSchedule(root) : await failingScript(root);
    assert.ok(catcher !== undefined, `neither schedules nor scripts notice that ${bug.name}`);
    if (Deno.env.has("RAFT_VERBOSE")) console.log(`${bug.name}: ${catcher}`);
  }, { limitMs: LIMIT_MS });
}

test("the core without a bug passes the same scripts", async () => {
  assert.is(await failingScript(plant({ name: "no bug", caughtBy: "scripts", edits: [] })), undefined);
});

async function failingSchedule(root: string): Promise<string | undefined> {
  const module = await import(`${root}/tests/raft/schedule.ts`) as {
    readonly runSchedule: typeof runSchedule;
  };
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    try {
      module.runSchedule({ seed, steps: STEPS });
    } catch {
      return `seed ${seed}`;
    }
  }
  return undefined;
}

async function failingScript(root: string): Promise<string | undefined> {
  const module = await import(`${root}/tests/raft/raft_script.ts`) as {
    readonly RaftScript: typeof RaftScript;
  };
  return scriptFiles(new URL("./", import.meta.url)).find(({ url }) => {
    const text = Deno.readTextFileSync(url);
    const script = new module.RaftScript();
    try {
      return replay(text, (command) => script.run(command)) !== text;
    } catch {
      return true;
    }
  })?.name;
}

/** Copies core and test cluster, edits the copy, and returns where it is. */
function plant(bug: PlantedBug): string {
  const root = `${folder}/${bug.name.replaceAll(" ", "_")}`;
  Deno.mkdirSync(`${root}/raft`, { recursive: true });
  Deno.mkdirSync(`${root}/tests/raft`, { recursive: true });
  for (const { name } of Deno.readDirSync(new URL("raft", ROOT))) copy(`raft/${name}`, root);
  for (const name of TEST_FILES) copy(`tests/raft/${name}`, root);
  for (const edit of bug.edits) applyEdit(`${root}/raft/${edit.file}`, edit);
  return `file://${root}`;
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
