/**
 * The checker on histories nobody wrote by hand: thousands of small ones judged by brute force too, right
 * ones of real size, and those that make a search long.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { isLinearizableSlowly } from "./brute_force.ts";
import { checkLinearizable, describeVerdict } from "./checker.ts";
import type { Operation } from "./history.ts";
import { mutated, randomHistory, type RandomHistoryOptions } from "./random_history.ts";

const SMALL_HISTORIES = Number(Deno.env.get("PRKDB_TEST_HISTORIES") ?? 20_000);
/** Of the mutated ones; an agreement about histories that are all right, or all wrong, proves little. */
const EACH_VERDICT_SHARE_MIN = 0.1;
/** Of the search. A history that happened is explained almost without trying anything in vain. */
const STEPS_PER_OPERATION_MAX = 2;
/** With increments, whose numbers come again, so that an answer tells less of what was before it. */
const COUNTING_STEPS_MAX = 10;

const test = suite("random histories");

test("the checker agrees with brute force about small histories", () => {
  let right = 0;
  let wrong = 0;
  for (let seed = 1; seed <= SMALL_HISTORIES; seed++) {
    const random = new SeededRandom(seed);
    const history = randomHistory(small(random));
    assert.ok(isLinearizableSlowly(history), `seed ${seed}: brute force refuses what happened`);
    assert.is(checkLinearizable(history).kind, "linearizable", `seed ${seed}`);
    const changed = mutatedOften(history, random);
    const isRight = isLinearizableSlowly(changed);
    const verdict = checkLinearizable(changed);
    const expected = isRight ? "linearizable" : "violation";
    assert.is(verdict.kind, expected, `seed ${seed}: ${describeVerdict(verdict)}\n${print(changed)}`);
    if (isRight) right++;
    else wrong++;
  }
  console.log(`small histories: ${right} right and ${wrong} wrong after a change, no disagreement`);
  assert.ok(
    Math.min(right, wrong) >= SMALL_HISTORIES * EACH_VERDICT_SHARE_MIN,
    `${right} right, ${wrong} wrong`,
  );
});

function mutatedOften(history: readonly Operation[], random: SeededRandom): readonly Operation[] {
  let changed = history;
  for (let times = 1 + random.below(4); times > 0; times--) changed = mutated(changed, random);
  return changed;
}

function small(random: SeededRandom): RandomHistoryOptions {
  return {
    random,
    operations: 4 + random.below(5),
    clients: 2 + random.below(3),
    keys: 1,
    unknownPercent: random.pick([0, 20, 40]),
    unversionedPercent: random.pick([0, 50, 100]),
    values: random.pick([1, 2, 3, Infinity]),
    incrementPercent: random.pick([0, 0, 30, 60]),
    expiringPercent: random.pick([0, 0, 50, 100]),
  };
}

function print(history: readonly Operation[]): string {
  return history.map((operation) => JSON.stringify(operation)).join("\n");
}

const LARGE: Readonly<Record<string, Partial<RandomHistoryOptions>>> = {
  "ten keys, twenty clients": {},
  "one key": { keys: 1 },
  "no versions in reads": { unversionedPercent: 100 },
  "a hundred values only": { values: 100, unversionedPercent: 20 },
  "64 clients on one key": { keys: 1, clients: 64 },
  "64 clients on one key, no versions in reads": { keys: 1, clients: 64, unversionedPercent: 100 },
  "a fifth without an answer": { unknownPercent: 20 },
  "a third of them increments": { incrementPercent: 35 },
  "half of the puts expire": { expiringPercent: 50 },
};

for (const [name, options] of Object.entries(LARGE)) {
  test(`10,000 operations, ${name}, are judged without detours`, () => {
    const random = new SeededRandom(7);
    const usual = { operations: 10_000, clients: 20, keys: 10, unknownPercent: 5 };
    const history = randomHistory({ random, ...usual, unversionedPercent: 0, values: Infinity, ...options });
    const verdict = checkLinearizable(history);
    assert.is(verdict.kind, "linearizable", describeVerdict(verdict));
    const steps = verdict.kind === "linearizable" ? verdict.steps : Infinity;
    const stepsEach = options.incrementPercent === undefined ? STEPS_PER_OPERATION_MAX : COUNTING_STEPS_MAX;
    assert.ok(steps <= stepsEach * history.length, `${steps} steps`);
  });
}

test("one stale read among 10,000 operations is found, and nothing but it", () => {
  const usual = { operations: 10_000, unknownPercent: 5, values: Infinity };
  for (let seed = 1; seed <= 10; seed++) {
    const random = new SeededRandom(seed);
    const shape = seed % 2 === 0 ? { clients: 20, keys: 10 } : { clients: 64, keys: 1 };
    const history = randomHistory({ random, ...usual, ...shape, unversionedPercent: 50 });
    const { stale, at } = staleReadIn(history);
    const wrong = history.with(at, stale);
    const verdict = checkLinearizable(wrong);
    assert.is(verdict.kind, "violation", describeVerdict(verdict));
    if (verdict.kind === "violation") assert.is(verdict.key, stale.key);
  }
});

/** A read late in the history is given an answer, without a version, that was right in its first half. */
function staleReadIn(history: readonly Operation[]): { readonly stale: Operation; readonly at: number } {
  const at = history.findLastIndex(({ outcome }) => outcome.kind === "found");
  const early = history.find(({ key, outcome }) => key === history[at]!.key && outcome.kind === "found")!;
  const { outcome } = early;
  if (outcome.kind !== "found") throw new Error("There is no read");
  return { at, stale: { ...history[at]!, outcome: { kind: "found", value: outcome.value } } };
}

test.run();
