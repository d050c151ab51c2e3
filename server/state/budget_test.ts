/**
 * What stores may take of a node's memory, named or not, leaves room for what else there is of the state.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { type AskedBudget, stateBudget } from "./budget.ts";

const test = suite("state budget");
const MEBIBYTE = 1024 * 1024;

/** In a state's part of so many mebibytes. */
function budget(mebibytes: number, asked: AskedBudget = {}) {
  return stateBudget({ log: 64 * MEBIBYTE, state: mebibytes * MEBIBYTE, calls: MEBIBYTE }, asked);
}

test("memtables, twice, and the cache take three quarters at most", () => {
  const askedBudgets: readonly AskedBudget[] = [
    {},
    { memtableBytes: MEBIBYTE },
    { memtableBytes: 30 * MEBIBYTE },
    { cacheBytes: MEBIBYTE },
    { cacheBytes: 58 * MEBIBYTE },
  ];
  for (const asked of askedBudgets) {
    const { memtableBytes, cacheBytes } = budget(80, asked);
    assert.ok(memtableBytes > 0 && cacheBytes >= 0, `${memtableBytes} and ${cacheBytes}`);
    assert.ok(2 * memtableBytes + cacheBytes <= 60 * MEBIBYTE, `${memtableBytes} and ${cacheBytes}`);
  }
});

test("of much memory they take no more than is of use, unless it is asked for", () => {
  assert.is(budget(4_096).memtableBytes, 64 * MEBIBYTE);
  assert.is(budget(4_096).cacheBytes, 128 * MEBIBYTE);
  assert.is(budget(4_096, { cacheBytes: 512 * MEBIBYTE }).cacheBytes, 512 * MEBIBYTE);
});

test.run();
