/**
 * Random lives of whole clusters. `SIM_SEEDS=2000` runs more of them, `SIM_FIRST_SEED` starts elsewhere;
 * `deno task sim --seed N` replays one.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { CHANGE_KINDS } from "./machines/operator.ts";
import { describeTotals, runManySeeds, seedsFrom } from "./many_seeds.ts";
import { runSimulation } from "./simulation.ts";
import { FAULT_KINDS } from "./world/weather.ts";

const SEEDS = Number(Deno.env.get("SIM_SEEDS") ?? 200);
const FIRST_SEED = Number(Deno.env.get("SIM_FIRST_SEED") ?? 1);
const STEPS = Number(Deno.env.get("SIM_STEPS") ?? 10_000);
const WORKERS = 2;
const LIMIT_MS = 3_600_000;
/**
 * The bar is 20 on an idle core; a busy machine gets a fraction of that, and a test must not depend on it.
 */
const TIMES_REAL_MIN = 4;

const test = suite("simulation");

test("a seed runs the same way twice", async () => {
  for (const seed of [1, 2, 3]) {
    const first = await runSimulation({ seed, steps: STEPS });
    const second = await runSimulation({ seed, steps: STEPS });
    assert.equal(second, first);
  }
  const other = await runSimulation({ seed: 4, steps: STEPS });
  assert.is.not(other.traceHash, (await runSimulation({ seed: 5, steps: STEPS })).traceHash);
});

test(`${SEEDS} seeds of ${STEPS} steps keep every promise and recover`, async () => {
  const startedMs = performance.now();
  const totals = await runManySeeds({
    seeds: seedsFrom(FIRST_SEED, SEEDS),
    steps: STEPS,
    workers: WORKERS,
  });
  console.log(describeTotals(totals, performance.now() - startedMs));
  if (totals.failures[0] !== undefined) throw new Error(totals.failures[0].message);
  // A run in which nothing happens proves nothing.
  assert.ok(totals.steps >= SEEDS * STEPS, "all steps were run");
  assert.ok(totals.acknowledged > 20 * SEEDS, "writes are acknowledged");
  assert.ok(totals.unknown > SEEDS, "writes are left in the dark");
  assert.ok(totals.reads > 20 * SEEDS, "reads are answered");
  assert.ok(totals.elections > 2 * SEEDS, "leaders are elected");
  assert.ok(totals.restarts > SEEDS, "nodes come back");
  assert.equal(FAULT_KINDS.filter((kind) => totals.faults[kind] === undefined), [], "every fault happens");
  assert.equal(CHANGE_KINDS.filter((kind) => totals.faults[kind] === undefined), [], "every change happens");
}, { limitMs: LIMIT_MS });

test("three nodes live much faster than real ones", async () => {
  let simulatedMs = 0;
  let elapsedMs = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const startedMs = performance.now();
    const result = await runSimulation({ seed, steps: STEPS });
    if (result.nodes !== 3) continue;
    simulatedMs += result.simulatedMs;
    elapsedMs += performance.now() - startedMs;
  }
  const times = simulatedMs / elapsedMs;
  console.log(`three nodes: ${times.toFixed(1)} × real time on one core`);
  assert.ok(times > TIMES_REAL_MIN, `${times.toFixed(1)} times`);
}, { limitMs: LIMIT_MS });

test.run();
