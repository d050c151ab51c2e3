/**
 * The hand-written codec against the generated one, on random messages and on hostile bytes.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  DeleteRequestSchema,
  DeleteResponseSchema,
  GetManyRequestSchema,
  GetManyResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  PutRequestSchema,
  PutResponseSchema,
  WriteBatchRequestSchema,
  WriteBatchResponseSchema,
} from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import {
  type ClientRequestId,
  decodeGetManyResponse,
  decodeGetResponse,
  decodeMutationResponse,
  decodeWriteBatchResponse,
  type EncodableMutation,
  type EncodablePrecondition,
  encodeGetManyRequest,
  encodeGetRequest,
  encodeMutationRequest,
  encodeWriteBatchRequest,
} from "./mod.ts";

const test = suite("client codec");
const ROUNDS = 300;

/** A small generator, so that a failing round can be run again. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Sizes and values around every border of the varint's length. */
function number(random: () => number): number {
  const bits = Math.floor(random() * 54);
  return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, 2 ** bits + Math.floor(random() * 3) - 1));
}

function bytes(random: () => number, lengthMax = 300): Uint8Array {
  return Uint8Array.from({ length: Math.floor(random() * lengthMax) }, () => Math.floor(random() * 256));
}

function precondition(random: () => number): EncodablePrecondition | undefined {
  const choice = Math.floor(random() * 4);
  if (choice === 0) return undefined;
  if (choice === 3) return { kind: "exists" };
  return choice === 1
    ? { kind: "absent" }
    : { kind: "version", version: random() < 0.2 ? 0 : number(random) };
}

/** From −2^63 to 2^63−1. */
function signed(random: () => number): bigint {
  const value = BigInt(number(random)) << BigInt(Math.floor(random() * 11));
  return BigInt.asIntN(64, random() < 0.5 ? value : -value);
}

function mutation(random: () => number): EncodableMutation {
  const key = bytes(random);
  if (random() < 0.3) {
    const ttlMs = random() < 0.5 ? 0 : number(random);
    return { kind: "increment", key, by: signed(random), ttlMs, precondition: precondition(random) };
  }
  if (random() < 0.3) return { kind: "delete", key, precondition: precondition(random) };
  const ttlMs = random() < 0.5 ? 0 : number(random);
  return { kind: "put", key, value: bytes(random, 20_000), ttlMs, precondition: precondition(random) };
}

function requestId(random: () => number): ClientRequestId {
  const clientId = random() < 0.5 ? 2n ** 64n - 1n : BigInt(1 + number(random));
  return { clientId, sequence: 1 + Math.floor(number(random) / 2), acknowledgedBelow: number(random) };
}

function generatedPrecondition(value: EncodablePrecondition | undefined) {
  if (value === undefined) return {};
  if (value.kind === "absent") {
    return { precondition: { expected: { case: "absent" as const, value: true } } };
  }
  if (value.kind === "exists") {
    return { precondition: { expected: { case: "exists" as const, value: true } } };
  }
  return { precondition: { expected: { case: "version" as const, value: BigInt(value.version) } } };
}

function generatedId(id: ClientRequestId) {
  return {
    clientId: id.clientId,
    sequence: BigInt(id.sequence),
    acknowledgedBelow: BigInt(id.acknowledgedBelow),
  };
}

function generatedMutation(value: EncodableMutation) {
  const condition = generatedPrecondition(value.precondition);
  if (value.kind === "delete") {
    return { kind: { case: "delete" as const, value: { key: value.key } }, ...condition };
  }
  if (value.kind === "increment") {
    const increment = { key: value.key, by: value.by, ttlMs: BigInt(value.ttlMs) };
    return { kind: { case: "increment" as const, value: increment }, ...condition };
  }
  const put = { key: value.key, value: value.value, ttlMs: BigInt(value.ttlMs) };
  return { kind: { case: "put" as const, value: put }, ...condition };
}

test("a write batch is encoded as by the generated code", () => {
  const random = generator(1);
  for (let round = 0; round < ROUNDS; round++) {
    const mutations = Array.from({ length: Math.floor(random() * 6) }, () => mutation(random));
    const id = requestId(random);
    const expected = toBinary(
      WriteBatchRequestSchema,
      create(WriteBatchRequestSchema, {
        mutations: mutations.map(generatedMutation),
        requestId: generatedId(id),
      }),
    );
    assert.equal(encodeWriteBatchRequest(mutations, id), expected, `round ${round}`);
  }
});

test("single writes are encoded as by the generated code", () => {
  const random = generator(2);
  for (let round = 0; round < ROUNDS; round++) {
    const value = mutation(random);
    const id = requestId(random);
    const rest = { ...generatedPrecondition(value.precondition), requestId: generatedId(id), key: value.key };
    assert.equal(encodeMutationRequest(value, id), generatedRequest(value, rest), `round ${round}`);
  }
});

/** @param rest what all three messages have */
function generatedRequest(value: EncodableMutation, rest: MessageInitShape<typeof DeleteRequestSchema>) {
  switch (value.kind) {
    case "delete":
      return toBinary(DeleteRequestSchema, create(DeleteRequestSchema, rest));
    case "put": {
      const put = { ...rest, value: value.value, ttlMs: BigInt(value.ttlMs) };
      return toBinary(PutRequestSchema, create(PutRequestSchema, put as never));
    }
    case "increment": {
      const increment = { ...rest, by: value.by, ttlMs: BigInt(value.ttlMs) };
      return toBinary(IncrementRequestSchema, create(IncrementRequestSchema, increment as never));
    }
  }
}

test("reads are encoded as by the generated code", () => {
  const random = generator(3);
  const names = ["linearizable", "follower", "stale"] as const;
  for (let round = 0; round < ROUNDS; round++) {
    const keys = Array.from({ length: Math.floor(random() * 5) }, () => bytes(random));
    const consistency = Math.floor(random() * 3) as 0 | 1 | 2;
    const many = create(GetManyRequestSchema, { keys, consistency });
    assert.equal(encodeGetManyRequest(keys, names[consistency]), toBinary(GetManyRequestSchema, many));
    const maxStalenessMs = number(random);
    const key = bytes(random);
    const one = create(GetRequestSchema, { key, consistency, maxStalenessMs: BigInt(maxStalenessMs) });
    const encoded = encodeGetRequest(key, { consistency: names[consistency], maxStalenessMs });
    assert.equal(encoded, toBinary(GetRequestSchema, one));
  }
});

test("responses are decoded as by the generated code", () => {
  const random = generator(4);
  for (let round = 0; round < ROUNDS; round++) {
    const results = Array.from({ length: Math.floor(random() * 5) }, () => ({
      version: BigInt(number(random)),
      existed: random() < 0.5,
      ...(random() < 0.3 ? { value: random() < 0.3 ? 0n : signed(random) } : {}),
      ...(random() < 0.3 ? { error: { code: "unavailable", message: "später" } } : {}),
    }));
    const response = toBinary(WriteBatchResponseSchema, create(WriteBatchResponseSchema, { results }));
    const expected = fromBinary(WriteBatchResponseSchema, response).results.map((result) => ({
      version: Number(result.version),
      existed: result.existed,
      number: result.value,
      errorCode: result.error?.code ?? "",
      errorMessage: result.error?.message ?? "",
    }));
    assert.equal(decodeWriteBatchResponse(response), expected, `round ${round}`);
  }
});

test("entries are decoded as by the generated code, absent keys and empty values apart", () => {
  const random = generator(5);
  for (let round = 0; round < ROUNDS; round++) {
    const results = Array.from({ length: Math.floor(random() * 5) }, () => ({
      version: BigInt(number(random)),
      ...(random() < 0.3 ? {} : { value: bytes(random) }),
      ...(random() < 0.5 ? {} : { expiresAtMs: BigInt(number(random)) }),
    }));
    const expected = results.map((result) => ({
      value: result.value,
      version: Number(result.version),
      expiresAtMs: result.expiresAtMs === undefined ? undefined : Number(result.expiresAtMs),
    }));
    const response = toBinary(GetManyResponseSchema, create(GetManyResponseSchema, { results }));
    assert.equal(decodeGetManyResponse(response), expected, `round ${round}`);
    for (const [position, result] of results.entries()) {
      const single = toBinary(GetResponseSchema, create(GetResponseSchema, result));
      assert.equal(decodeGetResponse(single), expected[position]);
    }
  }
});

test("answers to single writes are decoded as by the generated code", () => {
  const put = toBinary(PutResponseSchema, create(PutResponseSchema, { version: 70_000n, partitionId: 5 }));
  assert.is(decodeMutationResponse(put, "put").version, 70_000);
  const deleted = create(DeleteResponseSchema, { existed: true, version: 9n, partitionId: 300 });
  const decoded = decodeMutationResponse(toBinary(DeleteResponseSchema, deleted), "delete");
  assert.is(decoded.version, 9);
  assert.is(decoded.existed, true);
  for (const value of [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
    const message = create(IncrementResponseSchema, { value, version: 9n, partitionId: 300 });
    const counted = decodeMutationResponse(toBinary(IncrementResponseSchema, message), "increment");
    assert.equal([counted.version, counted.number, counted.existed], [9, value, false]);
  }
});

test("a version above 2^53 - 1 is refused, not rounded", () => {
  const response = toBinary(PutResponseSchema, create(PutResponseSchema, { version: 2n ** 53n }));
  assert.throws(() => decodeMutationResponse(response, "put"), /2\^53/);
});

test("cut, garbled and unknown fields neither hang nor read outside", () => {
  const random = generator(6);
  const results = [{ version: 5n, value: bytes(random, 50) }, { version: 300n, value: bytes(random, 50) }];
  const good = toBinary(GetManyResponseSchema, create(GetManyResponseSchema, { results }));
  let refused = 0;
  for (let round = 0; round < 5_000; round++) {
    const bad = good.slice(0, Math.floor(random() * (good.length + 1)));
    if (bad.length > 0) bad[Math.floor(random() * bad.length)] = Math.floor(random() * 256);
    try {
      for (const entry of decodeGetManyResponse(bad)) assert.ok((entry.value?.length ?? 0) <= bad.length);
    } catch (error) {
      assert.instance(error, RangeError);
      refused++;
    }
  }
  assert.ok(refused > 1_000, `${refused} refused`);
  const extended = Uint8Array.of(
    ...good,
    0x78,
    0x05,
    0x7a,
    0x01,
    0x00,
    0x7d,
    1,
    2,
    3,
    4,
    0x79,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  );
  assert.is(decodeGetManyResponse(extended).length, 2);
});

test.run();
