/**
 * The checkers are checked: every planted bug of the core must be caught, by random schedules within a budget
 * of seeds or by the text scripts. The mutants are copies of `raft/` beside copies of the test cluster that
 * import them (`planter.ts`). `RAFT_PLANTED_SEEDS=100000` looks for all of them with schedules alone,
 * `RAFT_BUG=words` for one alone, `RAFT_VERBOSE=1` prints what caught each.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { runSchedule } from "../raft/model/schedule.ts";
import type { RaftScript } from "../raft/raft_script.ts";
import { replay, scriptFiles } from "../script/script_file.ts";
import { Planter } from "./planter.ts";
import { CORE_MUTANTS, PLANTED_BUGS } from "./raft_bugs.ts";

const SEEDS_MAX = Number(Deno.env.get("RAFT_PLANTED_SEEDS") ?? 4_000);
const ARE_ALL_BY_SCHEDULES = Deno.env.has("RAFT_PLANTED_SEEDS");
const WANTED = Deno.env.get("RAFT_BUG") ?? "";
const STEPS = 4_000;

const test = suite("planted bugs of the core");
const planter = new Planter(["raft", "tests/raft", "tests/support"]);
test.after(() => planter[Symbol.dispose]());

for (const [position, { name, caughtBy }] of PLANTED_BUGS.entries()) {
  if (!name.includes(WANTED)) continue;
  test(`is caught: ${name}`, async () => {
    const copy = planter.plant(CORE_MUTANTS[position]!);
    const isBySchedules = ARE_ALL_BY_SCHEDULES || caughtBy === "schedules";
    const catcher = isBySchedules ? await failingSchedule(copy) : await failingScript(copy);
    assert.ok(catcher !== undefined, `neither schedules nor scripts notice that ${name}`);
    if (Deno.env.has("RAFT_VERBOSE")) console.log(`${name}: ${catcher}`);
  });
}

test("the core without a bug passes the same scripts", async () => {
  assert.is(await failingScript(planter.plant({ name: "no bug", edits: [] })), undefined);
});

async function failingSchedule(copy: URL): Promise<string | undefined> {
  const module = await import(new URL("tests/raft/model/schedule.ts", copy).href) as {
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

async function failingScript(copy: URL): Promise<string | undefined> {
  const module = await import(new URL("tests/raft/raft_script.ts", copy).href) as {
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

test.run();
