/**
 * Deadlines of streams reach further than a timer does.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { parseGrpcTimeout, startDeadline } from "./timeout.ts";

const test = suite("gRPC timeout");

/** A timer that was set and has not fired. */
interface SetTimer {
  readonly onTime: () => void;
  readonly ms: number;
}

/** Runs `body` with timers that fire when they are told to. */
function withTimers(body: (timers: Map<number, SetTimer>) => void): void {
  const { setTimeout, clearTimeout } = globalThis;
  const timers = new Map<number, SetTimer>();
  let last = 0;
  const set = (onTime: () => void, ms: number) => {
    timers.set(++last, { onTime, ms });
    return last;
  };
  try {
    Object.assign(globalThis, { setTimeout: set, clearTimeout: (id: number) => void timers.delete(id) });
    body(timers);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

function fire(timers: Map<number, SetTimer>): number {
  const [[id, { onTime, ms }]] = [...timers] as [[number, SetTimer]];
  timers.delete(id);
  onTime();
  return ms;
}

test("fractions of a millisecond are kept for those who round", () => {
  assert.is(parseGrpcTimeout("1500u"), 1.5);
  assert.is(parseGrpcTimeout("250n"), 250e-6);
  assert.is(parseGrpcTimeout("0n"), 0);
  assert.is(parseGrpcTimeout(null), undefined);
});

test("a deadline of years comes after years, by timers that reach", () => {
  withTimers((timers) => {
    const yearMs = 365 * 24 * 3_600_000;
    let calls = 0;
    startDeadline(yearMs, () => calls++);
    let waitedMs = 0;
    while (timers.size > 0) {
      assert.is(calls, 0);
      const ms = fire(timers);
      assert.ok(ms < 2 ** 31, `${ms}`);
      waitedMs += ms;
    }
    assert.is(waitedMs, yearMs);
    assert.is(calls, 1);
  });
});

test("a deadline that is not awaited any more leaves no timer", () => {
  withTimers((timers) => {
    const stop = startDeadline(2 ** 32, () => assert.unreachable("it was stopped"));
    fire(timers);
    assert.is(timers.size, 1);
    stop();
    assert.is(timers.size, 0);
    startDeadline(undefined, () => {})();
    assert.is(timers.size, 0);
  });
});

test.run();
