/**
 * Heads and bodies that chance has changed: nothing throws, what is read is what the slow grammar reads, and
 * the result does not depend on how the bytes were cut, and nothing grows.
 *
 * @module
 */

import {
  BodyDecoder,
  type HeadFault,
  HeadScanner,
  type ParsedHead,
  parseHead,
} from "../../server/http/h1/message/mod.ts";
import { assert, suite } from "../harness.ts";
import { Growth } from "../support/growth.ts";
import { PROOF_LIMIT_MS, proofSize } from "../support/proof_size.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { ScriptedConnection, statusesOf } from "./h1_fixture.ts";
import { referenceHead } from "./reference_head.ts";
import { latinBytes } from "./scripted_channel.ts";

const test = suite("changed heads");
const HEADS = proofSize("heads");
const BODIES = HEADS / 5;
const CONNECTIONS = HEADS / 50;
const LIMIT_BYTES = 2_000;

const SAMPLES: readonly string[] = [
  "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: a:50051\r\nContent-Type: application/proto\r\n" +
  "Content-Length: 122\r\n\r\n",
  "GET http://b.example:1/x?y=z HTTP/1.1\r\nhost: [::1]\r\nAccept: */*\r\nconnection: close\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\nX: \xe4 \t\r\n\r\n",
  "\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
  "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
  "GET / HTTP/1.1\nHost: a\n\n",
];
/** What chance puts in. */
const SCRAPS: readonly string[] = [
  ..."\r\n\0 \t:;,/*?#[]@\x7f\xff\x80%0159aZ",
  "\r\n",
  "\r\n\r\n",
  "\n\n",
  "\r\n ",
  "Host: b\r\n",
  "Content-Length: 0\r\n",
  "Content-Length: 7\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Expect: 100-continue\r\n",
  "HTTP/1.1",
  "HTTP/1.0",
  "HTTP/2.0",
  "http://c/",
];

/** What reading came to. */
type Result = ParsedHead | HeadFault | "more";

/** Reads a head of which more and more has come; `cuts` are the lengths at which it is looked at. */
function read(bytes: Uint8Array, cuts: readonly number[]): Result {
  const scanner = new HeadScanner(LIMIT_BYTES);
  for (const cut of [...cuts, bytes.length]) {
    const length = scanner.scan(bytes.subarray(0, cut), 0);
    if (typeof length !== "number") return length;
    if (length > 0) return parseHead(bytes, { start: scanner.requestLine, end: length, scheme: "http" });
  }
  return "more";
}

function described(result: Result): unknown {
  if (result === "more" || result.kind === "fault") return result;
  const { headers, scheme: _scheme, ...head } = result.head;
  return { ...head, bodyBytes: result.framing.bodyBytes, fields: [...headers] };
}

function changed(random: SeededRandom, text: string): string {
  let result = text;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(result.length + 1);
    const removed = random.chance(60) ? random.below(4) : random.below(40);
    const scrap = random.chance(70) ? random.pick(SCRAPS) : random.chance(50) ? "" : random.pick(SAMPLES);
    result = result.slice(0, at) + scrap + result.slice(at + removed);
  }
  return result;
}

test("samples are read the same, wherever they are cut", () => {
  for (const sample of SAMPLES) {
    const bytes = latinBytes(sample);
    const whole = described(read(bytes, []));
    for (let cut = 0; cut <= bytes.length; cut++) assert.equal(described(read(bytes, [cut])), whole, sample);
    assert.equal(described(read(bytes, [...bytes.keys()])), whole, sample);
  }
});

test("changed heads are read as the slow grammar reads them, however they are cut", () => {
  const random = new SeededRandom(9112);
  const counts = { read: 0, refused: 0, unfinished: 0 };
  const growth = new Growth(HEADS);
  for (let round = 0; round < HEADS; round++) {
    growth.note();
    const text = changed(random, random.pick(SAMPLES));
    if (text.length > LIMIT_BYTES) continue;
    const bytes = latinBytes(text);
    const result = read(bytes, []);
    const wanted = referenceHead(text);
    if (result === "more") counts.unfinished++;
    else counts[result.kind === "head" ? "read" : "refused"]++;
    const isHead = result !== "more" && result.kind === "head";
    const said = isHead ? described(result) : result === "more" ? "more" : undefined;
    if (!isSame(said, wanted)) assert.equal(said, wanted, `round ${round}: ${JSON.stringify(text)}`);
    const cuts = [random.below(bytes.length + 1), random.below(bytes.length + 1)].sort((a, b) => a - b);
    const again = described(read(bytes, cuts));
    if (!isSame(again, described(result))) {
      assert.equal(again, described(result), `round ${round}, cut at ${cuts}: ${JSON.stringify(text)}`);
    }
  }
  console.log(`${HEADS} heads: ${JSON.stringify(counts)}; ${growth.check()}`);
  for (const [kind, count] of Object.entries(counts)) {
    assert.ok(count > HEADS / 50, `${kind} are rare: ${count}`);
  }
}, { limitMs: PROOF_LIMIT_MS });

test("changed bodies come to the same, however they are cut", () => {
  const random = new SeededRandom(7112);
  const sample = '5\r\nhello\r\n1A;x="y"\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: a\r\n\r\nGET /';
  const counts = { complete: 0, fault: 0, unfinished: 0 };
  const growth = new Growth(BODIES);
  for (let round = 0; round < BODIES; round++) {
    growth.note();
    const bytes = latinBytes(random.chance(10) ? sample : changed(random, sample));
    const whole = decode(bytes, [bytes.length]);
    const inBytes = decode(bytes, Array.from(bytes, (_, at) => at + 1));
    if (!isSame(whole, inBytes)) assert.equal(inBytes, whole, `round ${round}`);
    counts[whole.state]++;
  }
  console.log(`${BODIES} bodies: ${JSON.stringify(counts)}; ${growth.check()}`);
  for (const [state, count] of Object.entries(counts)) assert.ok(count > 0, state);
}, { limitMs: PROOF_LIMIT_MS });

test("what a connection answers to changed requests does not depend on how they were cut", async () => {
  const random = new SeededRandom(9110);
  const bodies = ["3\r\nabc\r\n0\r\n\r\n", "hello", ""];
  const counts = new Map<string, number>();
  const growth = new Growth(CONNECTIONS);
  for (let round = 0; round < CONNECTIONS; round++) {
    growth.note();
    const requests = Array.from({ length: 3 }, () => random.pick(SAMPLES) + random.pick(bodies)).join("");
    const text = random.chance(20) ? requests : changed(random, requests);
    const cut = random.below(text.length + 1);
    const whole = await answered([text]);
    const inTwo = await answered([text.slice(0, cut), text.slice(cut)]);
    const inBytes = await answered([...text]);
    assert.is(inTwo, whole, `round ${round}: cut at ${cut}: ${JSON.stringify(text)}`);
    assert.is(inBytes, whole, `round ${round}: ${JSON.stringify(text)}`);
    const statuses = statusesOf(whole).join(" ");
    counts.set(statuses, (counts.get(statuses) ?? 0) + 1);
  }
  console.log(`${CONNECTIONS} connections: ${JSON.stringify(Object.fromEntries(counts))}; ${growth.check()}`);
  for (const wanted of ["200 200", "200 400", "400", "501"]) assert.ok(counts.has(wanted), wanted);
}, { limitMs: PROOF_LIMIT_MS });

/** Everything that comes back, but for the time, and for words of encouragement, which depend on the cut. */
async function answered(pieces: readonly string[]): Promise<string> {
  const peer = new ScriptedConnection();
  await peer.send(...pieces);
  peer.channel.arriveEnd();
  const sent = await peer.send();
  if (!peer.isOver) throw new Error(`not over after ${JSON.stringify(pieces.join(""))}`);
  const { bodies, answers } = peer.context;
  if (bodies.usedBytes + answers.usedBytes > 0) throw new Error("memory was not given back");
  return sent.replaceAll(/date: .*\r\n/g, "").replaceAll("HTTP/1.1 100 Continue\r\n\r\n", "");
}

/** Equal as text: quicker than a deep comparison, and enough for plain data. */
function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function decode(bytes: Uint8Array, cuts: readonly number[]) {
  const decoder = new BodyDecoder(undefined);
  let body = "";
  let at = 0;
  for (const cut of cuts) {
    for (;;) {
      const piece = decoder.next(bytes.subarray(0, cut), at);
      at = decoder.at;
      if (piece === undefined) break;
      if (piece.length === 0) throw new Error("an empty piece");
      body += String.fromCharCode(...piece);
    }
  }
  const state = decoder.isComplete ? "complete" : decoder.fault !== undefined ? "fault" : "unfinished";
  return { state, body, at } as const;
}

test.run();
