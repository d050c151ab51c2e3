/**
 * The checkers are checked: every planted bug must be caught, by random schedules within a budget of seeds or
 * by the text scripts. The mutants are copies of `raft/` in a temporary folder, beside copies of the test
 * cluster that import them. `RAFT_PLANTED_SEEDS=100000` looks for all of them with schedules alone.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { runSchedule } from "../raft/model/schedule.ts";
import type { RaftScript } from "../raft/raft_script.ts";
import { replay, scriptFiles } from "../script/script_file.ts";
import { type Edit, PLANTED_BUGS, type PlantedBug } from "./raft_bugs.ts";

const SEEDS_MAX = Number(Deno.env.get("RAFT_PLANTED_SEEDS") ?? 4_000);
const ARE_ALL_BY_SCHEDULES = Deno.env.has("RAFT_PLANTED_SEEDS");
const STEPS = 4_000;
const LIMIT_MS = 1_200_000;
const ROOT = new URL("../../", import.meta.url);
const TEST_FOLDERS = ["tests/raft", "tests/raft/model"];

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
  const module = await import(`${root}/tests/raft/model/schedule.ts`) as {
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
  return scriptFiles(new URL("../raft/scripts/", import.meta.url)).find(({ url }) => {
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
  for (const name of ["raft", ...TEST_FOLDERS]) copyFiles(name, root);
  for (const edit of bug.edits) applyEdit(`${root}/raft/${edit.file}`, edit);
  return `file://${root}`;
}

function copyFiles(path: string, root: string): void {
  Deno.mkdirSync(`${root}/${path}`, { recursive: true });
  for (const { name, isFile } of Deno.readDirSync(new URL(path, ROOT))) {
    if (isFile) Deno.copyFileSync(new URL(`${path}/${name}`, ROOT), `${root}/${path}/${name}`);
  }
}

function applyEdit(path: string, edit: Edit): void {
  const source = Deno.readTextFileSync(path);
  const parts = source.split(edit.find);
  assert.is(parts.length, 2, `${edit.file} must hold the text to edit exactly once: ${edit.find}`);
  Deno.writeTextFileSync(path, parts.join(edit.replace));
}

test.run();
