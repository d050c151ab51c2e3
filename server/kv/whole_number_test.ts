/**
 * Numbers of 64 bits as text, against those of the language.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { isWholeNumber, numberBytes, readWholeNumber, sumOf } from "./whole_number.ts";

const test = suite("whole numbers");
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const ROUNDS = 20_000;

const encoder = new TextEncoder();

test("a number has one text, and nothing else is one", () => {
  const numbers = ["0", "1", "-1", "10", "999999999999999999", String(MAX), String(MIN)];
  for (const text of numbers) assert.is(readWholeNumber(encoder.encode(text)), text);
  const others = [
    "",
    "-",
    "-0",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "007",
    "-01",
    "00",
    "1.0",
    "1e3",
    "0x10",
    "1_000",
    "1n",
    "٣",
    "١",
    "NaN",
    "Infinity",
    String(MAX + 1n),
    String(MIN - 1n),
    "99999999999999999999",
    "1".repeat(1_000_000),
  ];
  for (const text of others) {
    assert.is(readWholeNumber(encoder.encode(text)), undefined, `"${text.slice(0, 30)}"`);
    assert.is(isWholeNumber(text), false, `"${text.slice(0, 30)}"`);
  }
});

test("at the bounds sums are exact, and beyond them there is none", () => {
  const max = String(MAX);
  const min = String(MIN);
  assert.is(sumOf(max, "0"), max);
  assert.is(sumOf(max, "1"), undefined);
  assert.is(sumOf(max, max), undefined);
  assert.is(sumOf(min, "-1"), undefined);
  assert.is(sumOf(min, min), undefined);
  assert.is(sumOf(max, min), "-1");
  assert.is(sumOf(min, max), "-1");
  assert.is(sumOf(String(MAX - 1n), "1"), max);
  assert.is(sumOf("-9999999999", "10000000000"), "1");
});

test("sums are those of the language, around every power of two and of ten", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < ROUNDS; round++) {
    const [one, other] = [numberFrom(random), numberFrom(random)];
    const sum = one + other;
    const expected = sum < MIN || sum > MAX ? undefined : String(sum);
    assert.is(sumOf(String(one), String(other)), expected, `${one} + ${other}`);
  }
});

test("the value of a number is its text", () => {
  assert.equal([...numberBytes("-12")], [...encoder.encode("-12")]);
});

test.run();

function numberFrom(random: SeededRandom): bigint {
  const power = random.chance(50) ? 2n ** BigInt(random.below(64)) : 10n ** BigInt(random.below(19));
  const near = power + BigInt(random.below(5) - 2);
  const value = random.chance(50) ? near : -near;
  return value > MAX ? MAX : value < MIN ? MIN : value;
}
