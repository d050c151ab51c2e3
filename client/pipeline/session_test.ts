/**
 * Sequences and what is acknowledged below them.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { randomClientId, Session } from "./session.ts";

const test = suite("client session");

test("nothing at or above the lowest open sequence is acknowledged, in whatever order they end", () => {
  const session = new Session(7n);
  const [first, second, third] = [session.begin(), session.begin(), session.begin()];
  assert.equal([first, second, third], [1, 2, 3]);
  session.end(second);
  assert.is(session.acknowledgedBelow(), 1);
  session.end(first);
  assert.is(session.acknowledgedBelow(), 3);
  session.end(third);
  assert.is(session.acknowledgedBelow(), 4);
  assert.equal(session.requestId(session.begin()), { clientId: 7n, sequence: 4, acknowledgedBelow: 4 });
});

test("a client id fills 64 bits, is never 0, and follows the given random numbers", () => {
  assert.is(randomClientId(() => 0), 1n);
  assert.is(randomClientId(() => 1 - 2 ** -53), 2n ** 64n - 1n);
  const ids = new Set(Array.from({ length: 100 }, () => randomClientId()));
  assert.is(ids.size, 100);
  assert.ok([...ids].some((id) => id > 2n ** 60n));
});

test.run();
