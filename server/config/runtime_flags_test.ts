/**
 * A node is started alike by every task, and by tests.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { withoutColours } from "../../tests/support/environment.ts";
import { PERMISSIONS, V8_FLAGS } from "./runtime_flags.ts";

const test = suite("runtime flags");

test("deno.json starts and compiles a node with them", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const name of ["server", "compile"]) {
    const words = String(tasks[name]).replaceAll("'", "").split(" ");
    for (const flag of [...PERMISSIONS, V8_FLAGS]) assert.ok(words.includes(flag), `${name} has no ${flag}`);
  }
});

test("the tasks show their help and their version without a word about colours in the environment", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const args = String(tasks.server).replaceAll("'", "").split(" ").slice(1);
  const run = async (flag: string) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, flag],
      cwd: new URL("../..", import.meta.url),
      env: withoutColours(),
      clearEnv: true,
    }).output();
    return { code, out: new TextDecoder().decode(stdout), error: new TextDecoder().decode(stderr) };
  };
  // The very first run on a machine tells what the runtime fetches.
  await run("--version");
  for (const [flag, expected] of [["--help", /--node-id <n>/], ["--version", /^\d+\.\d+\.\d+\n$/]] as const) {
    const { code, out, error } = await run(flag);
    assert.equal([code, error], [0, ""]);
    assert.match(out, expected);
  }
});

test.run();
