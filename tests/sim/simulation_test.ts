/**
 * Random runs of whole clusters. `SIM_SEEDS=2000` runs more of them, `SIM_FIRST_SEED` starts elsewhere;
 * `deno task sim --seed N` replays one.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../harness.ts";
import { CHANGE_KINDS } from "./machines/operator.ts";
import type { KeptCounts } from "./machines/machine.ts";
import { describeTotals, runManySeeds, seedsFrom } from "./many_seeds.ts";
import { PUT_BACK, runSimulation } from "./simulation.ts";
import { FAULT_KINDS } from "./world/weather.ts";

const SEEDS = Number(Deno.env.get("SIM_SEEDS") ?? 200);
const FIRST_SEED = Number(Deno.env.get("SIM_FIRST_SEED") ?? 1);
const STEPS = Number(Deno.env.get("SIM_STEPS") ?? 10_000);
const WORKERS = 2;
/** Many times what a seed takes on an idle machine. */
const LIMIT_MS = 20_000 * SEEDS;

const SET_FACTOR: (typeof CHANGE_KINDS)[number] = "setReplicationFactor";

/** How often a seed, on average, does at least what keeps logs and memory bounded, and what mends states. */
const KEPT_PER_SEED: Readonly<KeptCounts> = {
  flushes: 50,
  compactions: 10,
  releases: 3,
  installed: 1,
  repaired: 0.01,
  drops: 0.5,
  returns: 0.1,
};

const test = suite("simulation");

test("a seed runs the same way twice", async (signal) => {
  const run = (seed: number) => runSimulation({ seed, steps: STEPS, signal });
  for (const seed of [1, 2, 3]) assert.equal(await run(seed), await run(seed));
  assert.is.not((await run(4)).traceHash, (await run(5)).traceHash);
});

test(`${SEEDS} seeds of ${STEPS} steps keep every promise and recover`, async (signal) => {
  const startedMs = performance.now();
  const totals = await runManySeeds({
    seeds: seedsFrom(FIRST_SEED, SEEDS),
    steps: STEPS,
    workers: WORKERS,
    signal,
  });
  console.log(describeTotals(totals, performance.now() - startedMs));
  if (totals.failures[0] !== undefined) throw new Error(totals.failures[0].message);
  // A run in which nothing happens proves nothing.
  assert.ok(totals.steps >= SEEDS * STEPS, "all steps were run");
  assert.ok(totals.acknowledged > 20 * SEEDS, "writes are acknowledged");
  assert.ok(totals.increments > 5 * SEEDS, "increments are acknowledged");
  assert.ok(totals.notNumbers > SEEDS / 10, "increments meet what is no number");
  assert.ok(totals.expired > 3 * SEEDS, "keys are removed because their time has come");
  assert.ok(totals.unknown > SEEDS, "writes are left in the dark");
  assert.ok(totals.reads > 20 * SEEDS, "reads are answered");
  assert.ok(totals.elections > 2 * SEEDS, "leaders are elected");
  assert.ok(totals.restarts > SEEDS, "nodes come back");
  assert.equal(FAULT_KINDS.filter((kind) => totals.faults[kind] === undefined), [], "every fault happens");
  assert.ok((totals.faults[PUT_BACK] ?? 0) > SEEDS / 20, "disks are put back to an earlier state");
  assert.equal(CHANGE_KINDS.filter((kind) => totals.faults[kind] === undefined), [], "every change happens");
  const factors = totals.faults[SET_FACTOR] ?? 0;
  assert.ok(factors > SEEDS / 20, "replication factors are raised and lowered");
  const rare = Object.entries(KEPT_PER_SEED).filter(([kind, each]) => !(totals.kept[kind]! >= each * SEEDS));
  assert.equal(rare, [], "stores are flushed, merged, sent, repaired and dropped");
}, { limitMs: LIMIT_MS });

test("a run that is told to end leaves nothing behind for the next", async () => {
  const { setTimeout, fetch } = globalThis;
  const controller = new AbortController();
  const run = runSimulation({ seed: 1, steps: STEPS, signal: controller.signal });
  await assertRejects(
    () => runSimulation({ seed: 2, steps: STEPS }),
    ({ message }) => /another/.test(message),
  );
  controller.abort(new Error("told to end"));
  await assertRejects(() => run, ({ message }) => /told to end/.test(message));
  assert.is(globalThis.setTimeout, setTimeout);
  assert.is(globalThis.fetch, fetch);
  assert.ok(Date.now() > 0);
});

test.run();
