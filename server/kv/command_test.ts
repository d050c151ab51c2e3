/**
 * Commands to bytes and back.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { decodeCommand, encodeCommand, stampCommand } from "./command.ts";
import type { Mutation, RequestId } from "./types.ts";

const test = suite("command");

const KEY = Uint8Array.of(1, 2, 3);
const EVERY_KIND: readonly Mutation[] = [
  { kind: "put", key: KEY, value: new Uint8Array(0), ttlMs: 0, precondition: undefined },
  { kind: "put", key: KEY, value: new Uint8Array(300).fill(7), ttlMs: 0, precondition: { kind: "absent" } },
  {
    kind: "put",
    key: new Uint8Array(4096),
    value: KEY,
    ttlMs: 86_400_000,
    precondition: { kind: "version", version: Number.MAX_SAFE_INTEGER },
  },
  { kind: "delete", key: KEY, precondition: undefined },
  { kind: "delete", key: KEY, precondition: { kind: "version", version: 0 } },
];
const REQUEST: RequestId = {
  clientId: "00ff10a0b0c0d0e1",
  sequence: Number.MAX_SAFE_INTEGER,
  acknowledgedBelow: 12,
};

test("every kind of mutation comes back as it was", () => {
  for (const requestId of [undefined, REQUEST]) {
    const bytes = encodeCommand(EVERY_KIND, requestId);
    stampCommand(bytes, 1_790_000_000_123);
    assert.equal(decodeCommand(bytes), { timeMs: 1_790_000_000_123, requestId, mutations: EVERY_KIND });
  }
});

test("no prefix and no altered tag of a command decodes as one silently cut short", () => {
  const bytes = encodeCommand(EVERY_KIND, REQUEST);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(
      () => decodeCommand(bytes.subarray(0, length)),
      (error: Error) => error instanceof RangeError,
    );
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  assert.throws(() => decodeCommand(longer), /after the end/);
});

test("random bytes never do more than throw RangeError", () => {
  let state = 12345;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
  const seed = encodeCommand(EVERY_KIND.slice(0, 2), REQUEST);
  for (let round = 0; round < 50_000; round++) {
    const bytes = round % 2 === 0
      ? seed.slice()
      : Uint8Array.from({ length: random() % 40 }, () => random() & 0xff);
    for (let flips = 0; flips < 3 && bytes.length > 0; flips++) {
      bytes[random() % bytes.length] = random() & 0xff;
    }
    try {
      decodeCommand(bytes);
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
});

test.run();
