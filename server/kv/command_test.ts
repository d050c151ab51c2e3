/**
 * Commands to bytes and back.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { decodeCommand, encodeCommand, onlyDeletes, stampCommand } from "./command.ts";
import type { Mutation, Precondition, RequestId } from "./types.ts";

const test = suite("command");

function put(
  key: string,
  value: string,
  rest: { readonly ttlMs: number; readonly precondition: Precondition | undefined },
): Mutation {
  const encoder = new TextEncoder();
  return { kind: "put", key: encoder.encode(key), value: encoder.encode(value), ...rest };
}

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
  { kind: "put", key: KEY, value: KEY, ttlMs: 0, precondition: { kind: "exists" } },
  { kind: "delete", key: KEY, precondition: { kind: "exists" } },
  { kind: "increment", key: KEY, by: "-9223372036854775808", ttlMs: 0, precondition: undefined },
  { kind: "increment", key: KEY, by: "0", ttlMs: 1, precondition: { kind: "version", version: 300 } },
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

test("commands of logs before increments are read as they were meant", () => {
  const head = [1, 1, 5, 0, 0, 0, 0, 0, 0, 0xff, 0x10, 0xa0, 0xb0, 0xc0, 0xd0, 0xe1, 3, 1];
  const mutations = [0, 1, 97, 1, 120, 2, 1, 98, 0, 13, 9, 1, 99];
  const ttl = [12, 7, 1, 100, 60, 1, 121];
  assert.throws(() => decodeCommand(Uint8Array.of(...head, 3, ...mutations)), /tag 13/);
  const valid = [...mutations.slice(0, 9), 5, 9, 1, 99];
  assert.equal(decodeCommand(Uint8Array.of(...head, 4, ...valid, ...ttl)), {
    timeMs: 5,
    requestId: { clientId: "00ff10a0b0c0d0e1", sequence: 3, acknowledgedBelow: 1 },
    mutations: [
      put("a", "x", { ttlMs: 0, precondition: undefined }),
      put("b", "", { ttlMs: 0, precondition: { kind: "absent" } }),
      { kind: "delete", key: Uint8Array.of(99), precondition: { kind: "version", version: 9 } },
      put("d", "y", { ttlMs: 60, precondition: { kind: "version", version: 7 } }),
    ],
  });
});

test("a kind that is not known is refused by its tag, and so is one that makes no sense", () => {
  for (const tag of [32, 64, 128, 16 | 1, 8 | 1]) {
    const bytes = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1, tag, 1, 97, 1, 49);
    assert.throws(() => decodeCommand(bytes), new RegExp(`tag ${tag}`));
  }
});

test("an increment by what is no number is refused", () => {
  const bytes = (by: string) =>
    Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 1, 97, by.length, ...new TextEncoder().encode(by));
  assert.is(decodeCommand(bytes("-12")).mutations.length, 1);
  for (const by of ["", "-0", "01", "1e3", "9223372036854775808"]) {
    assert.throws(() => decodeCommand(bytes(by)), /whole number/);
  }
});

test("an increment is no delete", () => {
  const remove: Mutation = { kind: "delete", key: KEY, precondition: undefined };
  assert.is(onlyDeletes(encodeCommand([remove], undefined)), true);
  assert.is(onlyDeletes(encodeCommand([remove, EVERY_KIND.at(-1)!], undefined)), false);
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
