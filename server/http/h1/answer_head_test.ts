/**
 * Heads of answers: which fields of a handler go out, and that none of them can be two.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import type { HeaderPairs } from "../mod.ts";
import { type AnswerFraming, encodeAnswerHead } from "./answer_head.ts";

const test = suite("heads of answers");
const FRAMINGS: readonly AnswerFraming[] = [
  { length: { kind: "known", bytes: 3 }, connection: undefined },
  { length: { kind: "chunked" }, connection: "close" },
];

/** The lines of a head with these fields, one character a byte, for each way to make it. */
function linesOf(headers: HeaderPairs): string[][] {
  const heads = FRAMINGS.map((framing) => encodeAnswerHead({ status: 200, headers }, framing));
  const usual = encodeAnswerHead({ status: 200, headers: Object.freeze([...headers]) }, FRAMINGS[0]!);
  return [...heads, usual].map(({ bytes, end }) =>
    String.fromCharCode(...bytes.subarray(0, end)).split(/\r\n|\r|\n/)
  );
}

/** Whether a field goes out, and nothing else instead of it. */
function goesOut(name: string, value: string): boolean {
  const found = linesOf([["a", "1"], [name, value], ["z", "2"]]).map((lines) => {
    const rest = lines.filter((line) => line !== "a: 1" && line !== "z: 2");
    assert.is(rest.length, lines.length - 2, "its neighbours go out");
    const own = rest.filter((line) =>
      !/^(HTTP|date|content-length: 3$|transfer-enc|connection: c|$)/.test(line)
    );
    assert.ok(own.length === 0 || own.join() === `${name}: ${value}`, JSON.stringify(own));
    return own.length === 1;
  });
  assert.is(new Set(found).size, 1, "every way to make a head agrees");
  return found[0]!;
}

test("a value goes out if all its characters are bytes of a value", () => {
  for (let code = 0; code <= 0x300; code++) {
    const isAllowed = code === 9 || (code >= 0x20 && code <= 0xff && code !== 0x7f);
    assert.is(goesOut("b", `x${String.fromCharCode(code)}y`), isAllowed, `U+${code.toString(16)}`);
  }
  assert.is(goesOut("b", ""), true);
  for (
    const value of ["a\u010d\u010aset-cookie: b", "a\ud83d\ude00", "a\u{1000d}\u{1000a}b: c", "a\n", "\u200a"]
  ) {
    assert.is(goesOut("b", value), false, JSON.stringify(value));
  }
});

test("a name goes out if it is a token in lower case and not the connection's", () => {
  for (let code = 0; code <= 0x300; code++) {
    const character = String.fromCharCode(code);
    const isAllowed = /[!#$%&'*+\-.^_`|~0-9a-z]/.test(character);
    assert.is(goesOut(`x${character}y`, "v"), isAllowed, `U+${code.toString(16)}`);
  }
  const names = [
    "",
    "Content-Length",
    "content-length",
    "Transfer-Encoding",
    "transfer-encoding",
    "connection",
  ];
  for (const name of names) assert.is(goesOut(name, "7"), false, name);
});

test.run();
