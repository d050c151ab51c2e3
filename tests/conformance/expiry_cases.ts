/**
 * Keys that expire, as callers write them and are told of them. The node of these tests keeps the time that a
 * write names and lets nothing expire; when a key does is its clock's to say, so answers are compared after
 * `withSpans`. Limits are written as numbers here, not as the product's constants: a constant that changes by
 * mistake must be noticed.
 *
 * @module
 */

import type { JsonValue } from "@bufbuild/protobuf";
import { KvService } from "../../proto/mod.ts";
import type { Answer, ConformanceCall } from "./callers.ts";
import { base64, bytes, call, type Case, invalid, ok } from "./case.ts";

const { put, get, increment, getMany, writeBatch } = KvService.method;

const HOUR_MS = 3_600_000;
/** A hundred years of 365.25 days. */
const TTL_MAX = 3_155_760_000_000n;
const FIVE_HOURS = BigInt(5 * HOUR_MS);
const TWO_DAYS = BigInt(48 * HOUR_MS);

const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });
const PUT_A_FIVE_HOURS = call(put, { key: bytes("a"), value: bytes("1"), ttlMs: FIVE_HOURS });

const ANSWERED: readonly Case[] = [
  {
    name: "a put that is to expire",
    call: PUT_A_FIVE_HOURS,
    answer: ok({ version: "1", partitionId: 3 }),
  },
  {
    name: "a get tells when the key expires",
    before: [PUT_A_FIVE_HOURS],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: base64("1"), version: "1", expiresAtMs: "in 5 h" }),
  },
  {
    name: "an empty value expires, too",
    before: [call(put, { key: bytes("a"), ttlMs: FIVE_HOURS })],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: "", version: "1", expiresAtMs: "in 5 h" }),
  },
  {
    name: "the longest time to live is accepted",
    before: [call(put, { key: bytes("a"), value: bytes("1"), ttlMs: TTL_MAX })],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: base64("1"), version: "1", expiresAtMs: "in 876600 h" }),
  },
  {
    name: "a put without a time to live is told without one",
    before: [PUT_A_FIVE_HOURS, PUT_A],
    call: call(get, { key: bytes("a") }),
    answer: ok({ value: base64("1"), version: "2" }),
  },
  {
    name: "an increment may name a time to live",
    before: [call(increment, { key: bytes("n"), by: 1n, ttlMs: TWO_DAYS })],
    call: call(get, { key: bytes("n") }),
    answer: ok({ value: base64("1"), version: "1", expiresAtMs: "in 48 h" }),
  },
  {
    name: "many gets tell of each key whether and when it expires",
    before: [
      call(writeBatch, {
        mutations: [
          { kind: { case: "put", value: { key: bytes("a"), value: bytes("1"), ttlMs: FIVE_HOURS } } },
          { kind: { case: "put", value: { key: bytes("b"), value: bytes("2") } } },
          { kind: { case: "increment", value: { key: bytes("n"), by: 3n, ttlMs: TWO_DAYS } } },
        ],
      }),
    ],
    call: call(getMany, { keys: [bytes("n"), bytes("b"), bytes("none"), bytes("a")] }),
    answer: ok({
      results: [
        { value: base64("3"), version: "3", expiresAtMs: "in 48 h" },
        { value: base64("2"), version: "2" },
        {},
        { value: base64("1"), version: "1", expiresAtMs: "in 5 h" },
      ],
    }),
  },
];

const REFUSED: readonly Case[] = [
  {
    name: "no put that lives longer than the limit",
    call: call(put, { key: bytes("a"), ttlMs: TTL_MAX + 1n }),
    answer: tooLong("ttl_ms", "3155760000001"),
  },
  {
    name: "no number that lives longer than the limit",
    call: call(increment, { key: bytes("a"), by: 1n, ttlMs: TTL_MAX + 1n }),
    answer: tooLong("ttl_ms", "3155760000001"),
  },
  {
    name: "no time to live beyond numbers",
    call: call(put, { key: bytes("a"), ttlMs: 2n ** 64n - 1n }),
    answer: tooLong("ttl_ms", "18446744073709551615"),
  },
  {
    name: "no put of a batch that lives longer than the limit",
    call: call(writeBatch, {
      mutations: [
        { kind: { case: "put", value: { key: bytes("a"), ttlMs: TTL_MAX } } },
        { kind: { case: "put", value: { key: bytes("b"), ttlMs: TTL_MAX + 1n } } },
      ],
    }),
    answer: tooLong("mutations[1].ttl_ms", "3155760000001"),
  },
  {
    name: "no number of a batch that lives longer than the limit",
    call: call(writeBatch, {
      mutations: [{ kind: { case: "increment", value: { key: bytes("n"), ttlMs: 2n ** 53n } } }],
    }),
    answer: tooLong("mutations[0].ttl_ms", "9007199254740992"),
  },
];

/** All of them. */
export const EXPIRY_CASES: readonly Case[] = [...ANSWERED, ...REFUSED];

/** Writes with a time to live in every way there is, and the times that a node must see. */
export const EXPIRING_WRITES: readonly (readonly [write: ConformanceCall, ttlMs: readonly number[]])[] = [
  [call(put, { key: bytes("a"), ttlMs: 1n }), [1]],
  [call(increment, { key: bytes("n"), ttlMs: TTL_MAX }), [Number(TTL_MAX)]],
  [
    call(writeBatch, {
      mutations: [
        { kind: { case: "put", value: { key: bytes("a"), ttlMs: 300n } } },
        { kind: { case: "put", value: { key: bytes("b") } } },
        { kind: { case: "increment", value: { key: bytes("n"), by: 1n, ttlMs: 70_000n } } },
      ],
    }),
    [300, 0, 70_000],
  ],
];

/**
 * `answer` with every `expiresAtMs` as the hours from now until then, as `in 5 h`: the nearest number of
 * them, so that it does not matter how long the call has taken.
 */
export function withSpans(answer: Answer): Answer {
  return answer.ok ? { ok: true, message: spansIn(answer.message) } : answer;
}

function spansIn(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(spansIn);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, name === "expiresAtMs" ? span(each) : spansIn(each)]),
  );
}

/** Left as it is if it is no whole number in text, as JSON has 64-bit numbers. */
function span(atMs: JsonValue): JsonValue {
  if (typeof atMs !== "string" || !/^\d+$/.test(atMs)) return atMs;
  return `in ${Math.round((Number(atMs) - Date.now()) / HOUR_MS)} h`;
}

function tooLong(field: string, ttlMs: string): Answer {
  return invalid(
    `Cannot accept ${field}: it is ${ttlMs}, the limit is 3155760000000 (TTL_MS_MAX): ` +
      "choose a shorter time, or leave it out",
  );
}
