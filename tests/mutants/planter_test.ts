/**
 * Every planted bug can still be planted, those that are looked for by hand too; and what cannot be planted
 * is noticed. Cheap, so that a change of a line that a bug needs is noticed at once.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../harness.ts";
import { applyEdit, Planter, plantingComplaints } from "./planter.ts";
import { CORE_MUTANTS } from "./raft_bugs.ts";
import { SIMULATED_BUGS } from "./sim_bugs.ts";
import { STORAGE_BUGS } from "./storage_bugs.ts";

const test = suite("planter");

test("every bug of all lists can be planted", () => {
  assert.equal(plantingComplaints([...CORE_MUTANTS, ...SIMULATED_BUGS, ...STORAGE_BUGS]), []);
});

test("no two bugs of a list have the same name", () => {
  for (const mutants of [CORE_MUTANTS, SIMULATED_BUGS, STORAGE_BUGS]) {
    assert.is(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  }
});

test("a text that is not there, or there twice, is refused", async () => {
  const edit = { file: "a.ts", find: "one", replace: "two" };
  assert.is(applyEdit("just one", edit), "just two");
  await assertRejects(() => applyEdit("two", edit), ({ message }) => /a\.ts.*0 times: one/.test(message));
  await assertRejects(() => applyEdit("one, one", edit), ({ message }) => /2 times/.test(message));
  const mutant = (file: string) => ({ name: "no bug", edits: [{ ...edit, file }] });
  const complaints = plantingComplaints([mutant("missing.ts"), mutant("tests/harness.ts")]);
  assert.is(complaints.length, 2, complaints.join("\n"));
});

test("a copy has the edit, and the project has not", () => {
  const find = "export function applyEdit";
  const edit = { file: "tests/mutants/planter.ts", find, replace: "export function misapplyEdit" };
  let copied: string;
  {
    using planter = new Planter(["tests/mutants"]);
    const copy = planter.plant({ name: "a bug, planted", edits: [edit] });
    copied = Deno.readTextFileSync(new URL(edit.file, copy));
  }
  const original = Deno.readTextFileSync(new URL("planter.ts", import.meta.url));
  assert.is(copied, applyEdit(original, edit));
});

test.run();
