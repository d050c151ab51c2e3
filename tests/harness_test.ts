/**
 * What a test that runs into its limit does to those behind it: a file of such tests is run as a process, and
 * its report read.
 *
 * @module
 */

import { assert, suite } from "./harness.ts";

const test = suite("harness");

const SHORT_LIMIT = "{ limitMs: 20 }";
/** Heeds its signal, and puts back what it has changed. */
const HEEDFUL = `test("heedful", async (signal) => {
  globalThis.changed = true;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  globalThis.changed = false;
}, ${SHORT_LIMIT});`;
/** As the simulator does, it takes the timers away. */
const TIMELESS = `test("timeless", async (signal) => {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = () => { throw new Error("no timers"); };
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  globalThis.setTimeout = setTimeout;
}, ${SHORT_LIMIT});`;
const HANGING = `test("hanging", () => new Promise(() => setInterval(() => {}, 1_000)), ${SHORT_LIMIT});`;
const FINE = `test("fine", () => assert.not(globalThis.changed));`;

test("a test that heeds its signal leaves nothing behind, and the next one runs", async () => {
  const report = await run(HEEDFUL, TIMELESS, FINE);
  assert.match(report, /heedful: not done after 20 ms/);
  assert.match(report, /timeless: not done after 20 ms/);
  assert.match(report, /Total:\s+3/);
  assert.match(report, /Passed:\s+1/);
});

test("behind a test that hangs nothing is run, and every test says why", async () => {
  const report = await run(FINE, HANGING, FINE);
  assert.match(report, /hanging: not done after 20 ms/);
  assert.match(report, /fine: not run, because "limited: hanging" ran into its limit and has not ended/);
  assert.match(report, /Passed:\s+1/);
});

test("what a test throws is what is reported", async () => {
  const report = await run(`test("failing", () => { throw new Error("for this reason"); });`, FINE);
  assert.match(report, /for this reason/);
  assert.match(report, /Passed:\s+1/);
});

test("what a test has left open ends with the file, which has failed", async () => {
  const report = await run(`test("opens", () => void Deno.listen({ port: 0 }).accept());`, FINE);
  assert.match(report, /Passed:\s+2/);
  assert.match(report, /something that they left open keeps the process from ending/);
});

/** What a file of `tests` prints; it must end by itself, and with exit code 1. */
async function run(...tests: readonly string[]): Promise<string> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const harness = new URL("harness.ts", import.meta.url).href;
    const head = `import { assert, suite } from "${harness}";\nconst test = suite("limited");`;
    await Deno.writeTextFile(file, [head, ...tests, "test.run();"].join("\n"));
    const config = new URL("../deno.json", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", config, file],
      env: { NO_COLOR: "1", FORCE_COLOR: "0" },
    }).output();
    const report = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.is(code, 1, report);
    return report;
  } finally {
    await Deno.remove(file);
  }
}

test.run();
