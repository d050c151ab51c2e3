/**
 * When a call is tried again, and after how long.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { CallFailure } from "../transport/failure.ts";
import { Backoff, type RetryVerdict } from "./backoff.ts";

const test = suite("client backoff");

function failure(
  kind: "unavailable" | "unreachable" | "outcomeUnknown" | "busy" | "deadline" | "silent",
): CallFailure {
  return { kind, message: "" };
}

function delays(backoff: Backoff, failures: readonly CallFailure[]): readonly (number | undefined)[] {
  return failures.map((each) => delayOf(backoff.judge(each)));
}

function delayOf(verdict: RetryVerdict): number | undefined {
  return verdict.kind === "retry" ? verdict.delayMs : undefined;
}

const lowest = { attempts: 3, random: () => 0 };
const highest = { attempts: 3, random: () => 0.999_999 };

test("delays double from 20 ms to 500 ms and are drawn from the upper half", () => {
  const elections = Array.from({ length: 7 }, () => failure("unavailable"));
  assert.equal(delays(new Backoff(lowest), elections), [10, 20, 40, 80, 160, 250, 250]);
  const drawn = delays(new Backoff(highest), elections).map((delay) => Math.round(delay!));
  assert.equal(drawn, [20, 40, 80, 160, 320, 500, 500]);
});

test("an election is never given up", () => {
  for (const kind of ["unavailable", "unreachable", "outcomeUnknown", "silent"] as const) {
    const verdicts = delays(new Backoff(lowest), Array.from({ length: 100 }, () => failure(kind)));
    assert.not(verdicts.includes(undefined), kind);
  }
});

test("what lasts as long as an election asks for fresh routes; a busy node does not", () => {
  const asks = (each: CallFailure) => {
    const verdict = new Backoff(lowest).judge(each);
    return verdict.kind === "retry" && verdict.refresh;
  };
  assert.is(asks(failure("unavailable")), true);
  assert.is(asks(failure("unreachable")), true);
  assert.is(asks(failure("busy")), false);
});

test("a busy node is asked three times in all", () => {
  assert.equal(delays(new Backoff(lowest), [failure("busy"), failure("deadline"), failure("busy")]), [
    10,
    20,
    undefined,
  ]);
});

test("the first NOT_LEADER costs no delay, those that follow do", () => {
  const moved: CallFailure = { kind: "notLeader", message: "", hint: undefined };
  assert.equal(delays(new Backoff(lowest), [moved, moved, moved]), [0, 10, 20]);
});

test("what is for good is given up at once", () => {
  const final: CallFailure = { kind: "final", message: "", code: "invalid_argument" };
  const refused: CallFailure = { kind: "precondition", message: "", currentVersion: 4 };
  assert.equal(delays(new Backoff(lowest), [final, refused]), [undefined, undefined]);
});

test.run();
