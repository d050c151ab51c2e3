/**
 * Commands to bytes and back.
 *
 * @module
 */

import { TTL_MS_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import {
  decodeCommand,
  encodeCommand,
  encodeExpireCommand,
  hasExpire,
  onlyDeletes,
  stampCommand,
} from "./command.ts";
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
  { kind: "expire", key: KEY },
  { kind: "put", key: KEY, value: KEY, ttlMs: TTL_MS_MAX, precondition: undefined },
];
/** Those that nodes know which do not know of expiry. */
const PLAIN = EVERY_KIND.filter((mutation) =>
  mutation.kind !== "expire" && !("ttlMs" in mutation && mutation.ttlMs > 0)
);
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

function fromHex(...rows: readonly string[]): Uint8Array {
  return Uint8Array.from(rows.flatMap((row) => row.split(" ")), (digits) => parseInt(digits, 16));
}

/** A command of `version` with one mutation of these bytes. */
function commandOf(version: number, ...mutation: readonly number[]): Uint8Array {
  return Uint8Array.of(version, 0, 0, 0, 0, 0, 0, 0, 1, ...mutation);
}

test("a command in which nothing expires has the bytes that it had before there was expiry", () => {
  const mutations: readonly Mutation[] = [
    put("a", "x", { ttlMs: 0, precondition: undefined }),
    put("b", "", { ttlMs: 0, precondition: { kind: "absent" } }),
    put("c", "yz", { ttlMs: 0, precondition: { kind: "version", version: 300 } }),
    { kind: "delete", key: Uint8Array.of(100), precondition: undefined },
    { kind: "delete", key: Uint8Array.of(101), precondition: { kind: "exists" } },
    { kind: "increment", key: Uint8Array.of(102), by: "-12", ttlMs: 0, precondition: undefined },
  ];
  const before = fromHex(
    "01 01 00 00 00 00 00 00",
    "00 ff 10 a0 b0 c0 d0 e1",
    "ac 02 0c",
    "06",
    "00 01 61 01 78",
    "02 01 62 00",
    "04 ac 02 01 63 02 79 7a",
    "01 01 64",
    "07 01 65",
    "10 01 66 03 2d 31 32",
  );
  const requestId = { clientId: "00ff10a0b0c0d0e1", sequence: 300, acknowledgedBelow: 12 };
  assert.equal(encodeCommand(mutations, requestId), before);
  assert.equal(decodeCommand(before), { timeMs: 0, requestId, mutations });
});

test("version 2 is that of commands with a time to live or an expire, wherever it stands in them", () => {
  const versionOf = (mutations: readonly Mutation[]) => encodeCommand(mutations, undefined)[0];
  assert.is(versionOf(PLAIN), 1);
  const others = EVERY_KIND.filter((mutation) => !PLAIN.includes(mutation));
  assert.is(others.length, 4);
  for (const other of others) {
    assert.is(versionOf([other]), 2);
    assert.is(versionOf([...PLAIN, other]), 2);
    assert.is(versionOf([other, ...PLAIN]), 2);
  }
  for (const version of [0, 3, 255]) {
    assert.throws(() => decodeCommand(commandOf(version, 1, 1, 97)), new RegExp(`version ${version}`));
  }
});

test("a command without mutations carries a time, in the version that every node reads", () => {
  const bytes = encodeCommand([], undefined);
  assert.equal([...bytes], [1, 0, 0, 0, 0, 0, 0, 0, 0]);
  stampCommand(bytes, 2 ** 48 - 1);
  assert.equal(decodeCommand(bytes), { timeMs: 2 ** 48 - 1, requestId: undefined, mutations: [] });
  assert.is(onlyDeletes(bytes), true, "it adds nothing");
});

test("an expire has a tag of its own, which has no condition and no time to live", () => {
  const keys = [KEY, Uint8Array.of(9)];
  const bytes = encodeExpireCommand(keys);
  assert.equal([...bytes], [2, 0, 0, 0, 0, 0, 0, 0, 2, 32, 3, 1, 2, 3, 32, 1, 9]);
  const mutations = keys.map((key) => ({ kind: "expire", key }));
  assert.equal(decodeCommand(bytes), { timeMs: 0, requestId: undefined, mutations });
  for (let bits = 1; bits < 256; bits++) {
    const tag = 32 | bits;
    if (tag === 32) continue;
    assert.throws(() => decodeCommand(commandOf(2, tag, 1, 97, 1, 49)), new RegExp(`tag ${tag}$`));
  }
  assert.throws(() => decodeCommand(commandOf(1, 32, 1, 97)), /tag 32/, "version 1 knew none");
});

test("a time to live is one to a hundred years, in both directions", () => {
  const withTtl = (ttlMs: number): Mutation => put("a", "x", { ttlMs, precondition: undefined });
  assert.throws(() => encodeCommand([withTtl(TTL_MS_MAX + 1)], undefined), /time to live/);
  const bytes = encodeCommand([withTtl(TTL_MS_MAX)], undefined);
  // The lowest seven bits of the time come first, and are not all set.
  const beyond = bytes.slice();
  beyond[12]!++;
  assert.throws(() => decodeCommand(beyond), /time to live of 3155760000001 ms/);
  assert.throws(() => decodeCommand(commandOf(2, 8, 1, 97, 0, 1, 49)), /time to live of 0 ms/);
  assert.is(decodeCommand(commandOf(2, 8, 1, 97, 1, 1, 49)).mutations.length, 1);
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
      // Nodes that wrote version 1 passed over a time to live, so that it means nothing there.
      put("d", "y", { ttlMs: 0, precondition: { kind: "version", version: 7 } }),
    ],
  });
});

test("a kind that is not known is refused by its tag, and so is one that makes no sense", () => {
  for (const tag of [64, 128, 32 | 64, 16 | 1, 8 | 1, 32 | 16]) {
    for (const version of [1, 2]) {
      assert.throws(() => decodeCommand(commandOf(version, tag, 1, 97, 1, 49)), new RegExp(`tag ${tag}$`));
    }
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
  const count: Mutation = { kind: "increment", key: KEY, by: "1", ttlMs: 0, precondition: undefined };
  assert.is(onlyDeletes(encodeCommand([remove, count], undefined)), false);
});

test("expires count as deletes, and are found in whatever command they stand", () => {
  const remove: Mutation = { kind: "delete", key: KEY, precondition: undefined };
  const expire: Mutation = { kind: "expire", key: KEY };
  assert.is(onlyDeletes(encodeExpireCommand([KEY, KEY])), true);
  assert.is(onlyDeletes(encodeCommand([remove, expire], undefined)), true);
  assert.is(onlyDeletes(encodeCommand([expire, EVERY_KIND[0]!], undefined)), false);
  assert.is(hasExpire(encodeCommand(EVERY_KIND, REQUEST)), true);
  assert.is(hasExpire(encodeCommand([remove, expire], undefined)), true);
  assert.is(hasExpire(encodeCommand(EVERY_KIND.filter(({ kind }) => kind !== "expire"), REQUEST)), false);
  assert.is(hasExpire(encodeCommand([], undefined)), false);
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
  const seeds = [EVERY_KIND.slice(0, 2), EVERY_KIND.slice(-3)].map((kinds) => encodeCommand(kinds, REQUEST));
  for (let round = 0; round < 50_000; round++) {
    const bytes = round % 2 === 0
      ? seeds[(round / 2) % seeds.length]!.slice()
      : Uint8Array.from({ length: random() % 40 }, () => random() & 0xff);
    for (let flips = 0; flips < 3 && bytes.length > 0; flips++) {
      bytes[random() % bytes.length] = random() & 0xff;
    }
    try {
      const { mutations, requestId } = decodeCommand(bytes);
      // What is read can be written again: it keeps the limits that are checked on both sides.
      encodeCommand(mutations, requestId);
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
});

test.run();
