/**
 * The checker is checked: every planted bug of the store must be caught within a few dozen seeds. The mutants
 * are copies of the source (`planter.ts`). `STORAGE_BUG=words` looks for one alone, `STORAGE_VERBOSE=1`
 * prints the seed that catches each.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import type { playInstallRun } from "../support/storage/install_run.ts";
import { Planter } from "./planter.ts";
import { STORAGE_BUGS } from "./storage_bugs.ts";

/** Most bugs are caught by the first three, all by the first twenty or so. */
const SEEDS_MAX = 200;
const WANTED = Deno.env.get("STORAGE_BUG") ?? "";

const test = suite("planted bugs of the store");
const planter = new Planter(["proto", "server/storage", "wal-wasm", "tests/support", "tests/harness.ts"]);
test.after(() => planter[Symbol.dispose]());

for (const bug of STORAGE_BUGS) {
  if (!bug.name.includes(WANTED)) continue;
  test(`is caught: ${bug.name}`, async () => {
    const seed = await failingSeed(planter.plant(bug), SEEDS_MAX);
    assert.ok(seed !== undefined, `${SEEDS_MAX} seeds do not notice that ${bug.name}`);
    if (Deno.env.has("STORAGE_VERBOSE")) console.log(`${bug.name}: seed ${seed}`);
  });
}

test("the store without a bug passes", async () => {
  assert.is(await failingSeed(planter.plant({ name: "no bug", edits: [] }), 5), undefined);
});

async function failingSeed(copy: URL, seedsMax: number): Promise<number | undefined> {
  const module = await import(new URL("tests/support/storage/install_run.ts", copy).href) as {
    readonly playInstallRun: typeof playInstallRun;
  };
  for (let seed = 1; seed <= seedsMax; seed++) {
    try {
      await module.playInstallRun(seed);
    } catch {
      return seed;
    }
  }
  return undefined;
}

test.run();
