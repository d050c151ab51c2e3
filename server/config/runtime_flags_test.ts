/**
 * A node is started alike by every task, and by tests.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { PERMISSIONS, V8_FLAGS } from "./runtime_flags.ts";

const test = suite("runtime flags");

test("deno.json starts and compiles a node with them", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const name of ["server", "compile"]) {
    const words = String(tasks[name]).replaceAll("'", "").split(" ");
    for (const flag of [...PERMISSIONS, V8_FLAGS]) assert.ok(words.includes(flag), `${name} has no ${flag}`);
  }
});

test.run();
