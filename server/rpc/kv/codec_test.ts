/**
 * The hand-written decoders and encoders against the generated ones, on random messages and on damaged bytes.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  equals,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  Consistency,
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
} from "../../../proto/mod.ts";
import { assert, suite } from "../../../tests/harness.ts";
import { DomainError } from "../../api/error.ts";
import type { NodeApi, ReadResult, WriteResult } from "../../api/node_api.ts";
import { deleteMethod } from "./delete.ts";
import { getMethod } from "./get.ts";
import { getManyMethod } from "./get_many.ts";
import { incrementMethod } from "./increment.ts";
import { type Found, readMany, type Written } from "./node_calls.ts";
import { putMethod } from "./put.ts";
import { writeBatchMethod } from "./write_batch.ts";

const test = suite("kv codec");
const ROUNDS = 400;
const SAFE_MAX = Number.MAX_SAFE_INTEGER;

/** A request type: its schema, its fast decoder, and a random one of it. */
interface Codec<D extends DescMessage> {
  readonly schema: D;
  readonly decode: (bytes: Uint8Array) => MessageShape<D> | undefined;
  readonly random: (random: Random) => MessageInitShape<D>;
}

const CODECS = [
  codec({ schema: PutRequestSchema, decode: putMethod.decode!, random: randomPut }),
  codec({
    schema: GetRequestSchema,
    decode: getMethod.decode!,
    random: (random) => ({
      key: random.bytes(40),
      consistency: random.below(3),
      maxStalenessMs: random.bigint(),
    }),
  }),
  codec({
    schema: GetManyRequestSchema,
    decode: getManyMethod.decode!,
    random: (random) => ({
      keys: random.list(20, () => random.bytes(200)),
      consistency: random.pick([Consistency.LINEARIZABLE, Consistency.STALE]),
    }),
  }),
  codec({ schema: IncrementRequestSchema, decode: incrementMethod.decode!, random: randomIncrement }),
  codec({ schema: WriteBatchRequestSchema, decode: writeBatchMethod.decode!, random: randomBatch }),
];

for (const { name, decodesLikeGenerated, survivesDamage, givesUp } of CODECS) {
  test(`${name} is decoded as by the generated decoder`, decodesLikeGenerated);
  test(`${name} damaged: what is decoded at all is decoded as by the generated decoder`, survivesDamage);
  test(`${name} with an unknown field is left to the generated decoder`, givesUp);
}

test("a field that comes twice is left to the generated decoder", () => {
  const requestId = (sequence: bigint) =>
    toBinary(PutRequestSchema, create(PutRequestSchema, { requestId: { sequence, clientId: 1n } }));
  assert.is(putMethod.decode!(join(requestId(1n), requestId(2n))), undefined);
});

test("responses are the bytes of the generated encoder", () => {
  const random = new Random(7);
  for (let round = 0; round < ROUNDS; round++) {
    const written = randomWritten(random);
    const read = randomRead(random);
    const reads = random.list(30, () => randomRead(random));
    const writes = random.list(30, () => randomResult(random));
    sameBytes(putMethod.encode!(written), PutResponseSchema, putMethod.reply(written));
    const number = { ...written, number: String(random.signed()) };
    sameBytes(incrementMethod.encode!(number), IncrementResponseSchema, incrementMethod.reply(number));
    sameBytes(getMethod.encode!([read]), GetResponseSchema, getMethod.reply([read]));
    sameBytes(getManyMethod.encode!(reads), GetManyResponseSchema, getManyMethod.reply(reads));
    sameBytes(writeBatchMethod.encode!(writes), WriteBatchResponseSchema, writeBatchMethod.reply(writes));
  }
});

test("the largest numbers survive", () => {
  const written: Written = { ok: true, version: SAFE_MAX, existed: true, partitionId: 2 ** 32 - 1 };
  sameBytes(putMethod.encode!(written), PutResponseSchema, putMethod.reply(written));
  sameBytes(writeBatchMethod.encode!([written]), WriteBatchResponseSchema, writeBatchMethod.reply([written]));
  const answer = create(DeleteResponseSchema, deleteMethod.reply(written));
  assert.is(answer.version, BigInt(SAFE_MAX));
  assert.is(answer.partitionId, 2 ** 32 - 1);
});

test("when a key expires is counted from the time of day, and a key that does not is left as it is", async () => {
  const value = Uint8Array.of(1);
  const read: readonly ReadResult[] = [
    { value, version: 1, expiresInMs: 60_000.75 },
    { value, version: 2 },
    undefined,
    { value, version: 3, expiresInMs: 0 },
    { value, version: 4, expiresInMs: -Number.MAX_SAFE_INTEGER },
  ];
  const beganMs = Date.now();
  const found = await readAs(read);
  const endedMs = Date.now();
  const within = (at: number, afterMs: number) => {
    const expiresAtMs = found[at]!.expiresAtMs!;
    assert.ok(Number.isSafeInteger(expiresAtMs), `${expiresAtMs}`);
    assert.ok(expiresAtMs >= beganMs + afterMs && expiresAtMs <= endedMs + afterMs, `${expiresAtMs}`);
  };
  within(0, 60_000);
  within(3, 0);
  assert.equal([found[1], found[2]], [read[1], undefined]);
  assert.is(found[4]!.expiresAtMs, 1, "0 would not be told");
  const plain = [read[1], undefined];
  assert.is(await readAs(plain), plain, "no copy where nothing expires");
});

test.run();

/** What callers are told when the node has read `results`. */
function readAs(results: readonly ReadResult[]): Promise<readonly Found[]> {
  const node = { read: () => Promise.resolve(results), wallMs: Date.now } as unknown as NodeApi;
  const keys = results.map(() => new Uint8Array(1));
  const options = { timeoutMs: 1, direct: false, consistency: "linearizable", maxStalenessMs: 0 } as const;
  return readMany(node, keys, options);
}

/** The checks of one codec, its type kept inside. */
function codec<D extends DescMessage>({ schema, decode, random }: Codec<D>) {
  const make = (from: Random) => toBinary(schema, create(schema, random(from)));
  return {
    name: schema.name,
    decodesLikeGenerated: () => {
      const from = new Random(1);
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = make(from);
        const message = decode(bytes);
        assert.ok(message !== undefined, `gave up on ${bytes}`);
        assert.ok(equals(schema, message, fromBinary(schema, bytes)), `${bytes}`);
      }
    },
    survivesDamage: () => {
      const from = new Random(2);
      let decoded = 0;
      for (let round = 0; round < 10 * ROUNDS; round++) {
        const bytes = damage(make(from), from);
        const message = decode(bytes);
        if (message === undefined) continue;
        decoded++;
        assert.ok(equals(schema, message, fromBinary(schema, bytes)), `${bytes}`);
      }
      assert.ok(decoded > ROUNDS, `only ${decoded} damaged messages were decoded`);
    },
    givesUp: () => {
      const unknown = new BinaryWriter().tag(99, 0).uint32(1).finish();
      assert.is(decode(join(make(new Random(3)), unknown)), undefined);
    },
  };
}

function randomPut(random: Random): MessageInitShape<typeof PutRequestSchema> {
  return {
    key: random.bytes(40),
    value: random.bytes(300),
    ttlMs: random.bigint(),
    ...(random.below(2) === 0 ? {} : { precondition: randomPrecondition(random) }),
    ...(random.below(2) === 0 ? {} : { requestId: randomRequestId(random) }),
  };
}

function randomIncrement(random: Random): MessageInitShape<typeof IncrementRequestSchema> {
  return {
    key: random.bytes(40),
    by: random.signed(),
    ttlMs: random.bigint(),
    ...(random.below(2) === 0 ? {} : { precondition: randomPrecondition(random) }),
    ...(random.below(2) === 0 ? {} : { requestId: randomRequestId(random) }),
  };
}

function randomBatch(random: Random): MessageInitShape<typeof WriteBatchRequestSchema> {
  return {
    mutations: random.list(20, () => ({
      kind: random.pick([
        { case: "put", value: { key: random.bytes(20), value: random.bytes(200), ttlMs: random.bigint() } },
        { case: "delete", value: { key: random.bytes(20) } },
        {
          case: "increment",
          value: { key: random.bytes(20), by: random.signed(), ttlMs: random.bigint() },
        },
        { case: undefined },
      ]),
      ...(random.below(4) === 0 ? { precondition: randomPrecondition(random) } : {}),
    })),
    ...(random.below(2) === 0 ? {} : { requestId: randomRequestId(random) }),
  };
}

function randomPrecondition(random: Random) {
  return {
    expected: random.pick([
      { case: "absent" as const, value: random.below(2) === 0 },
      { case: "version" as const, value: random.bigint() },
      { case: "exists" as const, value: random.below(2) === 0 },
      { case: undefined },
    ]),
  };
}

function randomRequestId(random: Random) {
  return { clientId: random.bigint(), sequence: random.bigint(), acknowledgedBelow: random.bigint() };
}

function randomWritten(random: Random): Written {
  return {
    ok: true,
    version: random.integer(),
    existed: random.below(2) === 0,
    partitionId: random.below(2 ** 32),
  };
}

function randomResult(random: Random): WriteResult {
  if (random.below(3) > 0) {
    const written = randomWritten(random);
    return random.below(3) > 0 ? written : { ...written, number: String(random.signed()) };
  }
  const message = random.pick(["", "Cannot: ü€😀", "x".repeat(random.below(300))]);
  return {
    ok: false,
    error: new DomainError(random.pick([{ kind: "unavailable" }, { kind: "outcomeUnknown" }]), message),
  };
}

function randomRead(random: Random): Found {
  if (random.below(4) === 0) return undefined;
  const found = { value: random.bytes(300), version: random.integer() };
  return random.below(2) === 0 ? found : { ...found, expiresAtMs: Math.max(1, random.integer()) };
}

function sameBytes<D extends DescMessage>(fast: Uint8Array, schema: D, init: MessageInitShape<D>): void {
  assert.equal([...fast], [...toBinary(schema, create(schema, init))]);
}

/** One byte changed, cut off, or put in. */
function damage(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(3)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return join(bytes.subarray(0, at), Uint8Array.of(random.below(256)), bytes.subarray(at));
    default:
      return join(bytes.subarray(0, at), Uint8Array.of(random.below(256)), bytes.subarray(at + 1));
  }
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Numbers from a seed, so that a failure comes again. Source: Marsaglia, "Xorshift RNGs" (2003). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 to `limit` − 1; `limit` up to 2^32. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  pick<const T>(options: readonly T[]): T {
    return options[this.below(options.length)]!;
  }

  list<T>(lengthMax: number, make: () => T): T[] {
    return Array.from({ length: this.below(lengthMax + 1) }, make);
  }

  bytes(lengthMax: number): Uint8Array {
    return Uint8Array.from({ length: this.below(lengthMax + 1) }, () => this.below(256));
  }

  /** 64 bits; often small, as sizes of numbers matter. */
  bigint(): bigint {
    const bits = BigInt(this.below(65));
    return ((BigInt(this.below(2 ** 32)) << 32n) | BigInt(this.below(2 ** 32))) & ((1n << bits) - 1n);
  }

  /** 64 bits with a sign. */
  signed(): bigint {
    return BigInt.asIntN(64, this.below(2) === 0 ? this.bigint() : -this.bigint());
  }

  /** 0 to 2^53 − 1. */
  integer(): number {
    return Number(this.bigint() & ((1n << 53n) - 1n));
  }
}
