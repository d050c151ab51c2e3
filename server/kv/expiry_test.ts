/**
 * Times of keys, and which are due, against a plain map.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { drawnRandom, SeededRandom } from "../../tests/support/seeded_random.ts";
import { byteString, stringBytes } from "./byte_string.ts";
import { Expiry } from "./expiry.ts";

const test = suite("expiry");
const random = drawnRandom("expiry");
const NO_LIMITS = { keysMax: Infinity, bytesMax: Infinity };

function dueNames(expiry: Expiry, nowMs: number, limits = NO_LIMITS): string[] {
  return expiry.due(nowMs, limits).map((key) => byteString(key));
}

test("without a time nothing is due, and nothing costs memory", () => {
  const expiry = new Expiry();
  expiry.clear("a");
  assert.is(expiry.earliestMs, undefined);
  assert.is(expiry.timeOf("a"), undefined);
  assert.is(expiry.memoryBytes, 0);
  assert.equal(dueNames(expiry, Infinity), []);
});

test("keys are due from their time on, the earliest first", () => {
  const expiry = new Expiry();
  for (const [name, timeMs] of [["late", 30], ["early", 10], ["middle", 20]] as const) {
    expiry.set(name, timeMs);
  }
  assert.equal(dueNames(expiry, 9), []);
  assert.equal(dueNames(expiry, 10), ["early"]);
  assert.equal(dueNames(expiry, 29), ["early", "middle"]);
  assert.equal(dueNames(expiry, 30), ["early", "middle", "late"]);
  assert.is(expiry.earliestMs, 10, "asking has changed nothing");
  assert.is(expiry.size, 3);
});

test("the last time that was said counts, be it later or earlier", () => {
  const expiry = new Expiry();
  for (let at = 0; at < 10; at++) expiry.set(`k${at}`, 100 + at);
  expiry.set("k9", 50);
  assert.is(expiry.earliestMs, 50);
  expiry.set("k9", 500);
  assert.is(expiry.earliestMs, 100);
  expiry.clear("k0");
  assert.is(expiry.earliestMs, 101);
  assert.is(expiry.timeOf("k0"), undefined);
  assert.is(expiry.timeOf("k9"), 500);
});

test("what is due is handed out up to the limits, none of which is passed", () => {
  const expiry = new Expiry();
  for (const [at, name] of ["aaaa", "bb", "cccc", "d"].entries()) expiry.set(name, at);
  assert.equal(dueNames(expiry, 9, { keysMax: 0, bytesMax: 99 }), []);
  assert.equal(dueNames(expiry, 9, { keysMax: 3, bytesMax: 99 }), ["aaaa", "bb", "cccc"]);
  assert.equal(dueNames(expiry, 9, { keysMax: 9, bytesMax: 10 }), ["aaaa", "bb", "cccc"]);
  assert.equal(dueNames(expiry, 9, { keysMax: 9, bytesMax: 9 }), ["aaaa", "bb"], "and not d, which is later");
});

test("the latest time of a range is told, or that there are too many to look at", () => {
  const expiry = new Expiry();
  for (const timeMs of [10, 20, 30]) expiry.set(`${timeMs}`, timeMs);
  const latest = (afterMs: number, throughMs: number) => expiry.latestIn({ afterMs, throughMs });
  assert.equal([latest(0, 9), latest(0, 10), latest(10, 19), latest(10, 25), latest(0, 99)], [
    undefined,
    10,
    undefined,
    20,
    30,
  ]);
  for (let at = 0; at < 1_000; at++) expiry.set(`k${at}`, 5);
  assert.is(latest(10, 19), Infinity);
  assert.is(latest(10, 4), undefined);
});

test("keys come back as the bytes that they were", () => {
  const everyByte = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.equal(stringBytes(byteString(everyByte)), everyByte);
  const expiry = new Expiry();
  expiry.set(byteString(everyByte), 1);
  assert.equal(expiry.due(1, NO_LIMITS), [everyByte]);
});

test("renewing keys for ever costs no memory, and clearing them gives all back", () => {
  const expiry = new Expiry();
  for (let at = 0; at < 1_000; at++) expiry.set(`k${at}`, at);
  const { memoryBytes } = expiry;
  assert.ok(memoryBytes > 1_000 * 100, `${memoryBytes}`);
  for (let at = 0; at < 20_000; at++) expiry.set(`k${at % 1_000}`, at);
  assert.is(expiry.memoryBytes, memoryBytes);
  for (let at = 0; at < 1_000; at++) expiry.clear(`k${at}`);
  assert.is(expiry.memoryBytes, 0);
  assert.is(expiry.earliestMs, undefined);
});

test("it agrees with a plain map in whatever is done", () => {
  for (let run = 0; run < 20; run++) agreeWithMap(new SeededRandom(random.word()));
});

/** Few keys and few times, so that renewals and equal times are frequent; then many of both. */
function agreeWithMap(random: SeededRandom): void {
  const expiry = new Expiry();
  const times = new Map<string, number>();
  const keys = random.pick([5, 60, 600]);
  const timesMax = random.pick([4, 1_000, 2 ** 48]);
  for (let round = 0; round < 1_500; round++) {
    const name = `k${random.below(keys)}`;
    if (random.chance(30)) {
      expiry.clear(name);
      times.delete(name);
    } else {
      const timeMs = Math.floor(random.below(2 ** 32) / 2 ** 32 * timesMax);
      expiry.set(name, timeMs);
      times.set(name, timeMs);
    }
    assert.is(expiry.timeOf(name), times.get(name));
    assert.is(expiry.size, times.size);
    assert.is(expiry.earliestMs, times.size === 0 ? undefined : Math.min(...times.values()));
    if (round % 20 === 0) agreeOnDue({ expiry, times, random });
  }
  assert.equal(new Map(expiry.entries()), times);
}

interface Compared {
  readonly expiry: Expiry;
  readonly times: ReadonlyMap<string, number>;
  readonly random: SeededRandom;
}

/** Which of several with the same time come first is left open. */
function agreeOnDue({ expiry, times, random }: Compared): void {
  const nowMs = random.pick([...times.values(), 0]);
  const due = [...times].filter(([, timeMs]) => timeMs <= nowMs);
  const sorted = due.map(([, timeMs]) => timeMs).sort((a, b) => a - b);
  assert.equal(dueNames(expiry, nowMs).sort(), due.map(([name]) => name).sort());
  const keysMax = random.below(due.length + 2);
  const first = dueNames(expiry, nowMs, { keysMax, bytesMax: Infinity });
  assert.is(new Set(first).size, first.length);
  assert.equal(first.map((name) => times.get(name)), sorted.slice(0, keysMax));
  const afterMs = random.pick([...sorted, 0]);
  const latest = expiry.latestIn({ afterMs, throughMs: nowMs });
  const isFew = due.length < 80;
  if (isFew || latest !== Infinity) assert.is(latest, sorted.findLast((timeMs) => timeMs > afterMs));
}

test.run();
