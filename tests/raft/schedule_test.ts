/**
 * Thousands of random schedules of the bare core. `RAFT_SCHEDULES=100000` runs more of them,
 * `RAFT_FIRST_SEED` starts elsewhere; `RAFT_SEED=N RAFT_STEPS=M` replays a single one.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { runSchedule, type ScheduleResult } from "./model/schedule.ts";

const SCHEDULES = Number(Deno.env.get("RAFT_SCHEDULES") ?? 3_000);
const FIRST_SEED = Number(Deno.env.get("RAFT_FIRST_SEED") ?? 1);
const STEPS = Number(Deno.env.get("RAFT_STEPS") ?? 4_000);
const SINGLE_SEED = Deno.env.get("RAFT_SEED");
const LIMIT_MS = 3_600_000;

const test = suite("raft schedules");

if (SINGLE_SEED === undefined) {
  test(`${SCHEDULES} seeds keep every promise and recover`, () => runMany(), { limitMs: LIMIT_MS });
  test("a seed runs the same way twice", () => {
    const options = { seed: 42, steps: STEPS };
    assert.equal(runSchedule(options), runSchedule(options));
  });
} else {
  test(`seed ${SINGLE_SEED}`, () => void runSchedule({ seed: Number(SINGLE_SEED), steps: STEPS }));
}

function runMany(): void {
  const total = {
    committed: 0,
    elections: 0,
    readsGranted: 0,
    rests: 0,
    changes: 0,
    crashes: 0,
    installs: 0,
    replaced: 0,
  };
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed++) {
    const result: ScheduleResult = runSchedule({ seed, steps: STEPS });
    total.committed += result.committed;
    total.elections += result.elections;
    total.readsGranted += result.readsGranted;
    total.rests += result.rests;
    total.changes += result.changes;
    total.crashes += result.crashes;
    total.installs += result.installs;
    total.replaced += result.replaced;
  }
  console.log(`${SCHEDULES} schedules: ${JSON.stringify(total)}`);
  // A schedule in which nothing happens proves nothing.
  assert.ok(total.committed > SCHEDULES, "entries are committed");
  assert.ok(total.elections > SCHEDULES, "leaders are elected");
  assert.ok(total.readsGranted > SCHEDULES / 10, "reads are granted");
  assert.ok(total.changes > SCHEDULES / 4, "memberships change");
  assert.ok(total.rests > SCHEDULES / 10, "groups fall quiet");
  assert.ok(total.crashes > SCHEDULES / 10, "nodes crash");
  assert.ok(total.installs > SCHEDULES / 2, "snapshots are installed");
  assert.ok(total.replaced > SCHEDULES / 10, "replicas leave, and others come");
}

test.run();
