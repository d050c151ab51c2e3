/**
 * Stops of one call among those of others: each step is found, with its time, or it is said which is missing.
 *
 * @module
 */

import type { Stop } from "../../server/stops/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { apartMs, checkClocks } from "./clock_check.ts";
import { journeyOf } from "./journey.ts";
import { stepsOf } from "./steps.ts";
import { summarize, tableOf } from "./summary.ts";
import { Timeline } from "./timeline.ts";

const test = suite("journey");

const APPEND = { what: "appendRequest", group: 5, index: 12, entries: 1, commit: 11 };
const ACK = { what: "appendResponse", group: 5, index: 12 };
const CALL = { what: "call", group: 5, index: 700 };

/** A put by way of node 2 to node 1, which leads group 5; node 3 is faster than node 2. */
const NODE_1: readonly Stop[] = [
  { atMs: 6, name: "arrived", ...CALL, peer: 2 },
  // Of another call.
  { atMs: 6.5, name: "sent", ...APPEND, group: 4, peer: 2 },
  { atMs: 7, name: "turn" },
  { atMs: 8, name: "sent", ...APPEND, peer: 2 },
  { atMs: 8, name: "sent", ...APPEND, peer: 3 },
  { atMs: 9, name: "frame", file: "a.wal" },
  { atMs: 9.1, name: "syncBegun", file: "a.wal" },
  { atMs: 9.2, name: "turnEnd" },
  // A segment that is made beside it.
  { atMs: 9.3, name: "synced", file: "b.wal" },
  { atMs: 16, name: "arrived", ...ACK, peer: 3 },
  { atMs: 17, name: "synced", file: "a.wal" },
  { atMs: 18, name: "turn" },
  { atMs: 19, name: "sent", what: "reply", index: 700, peer: 2 },
  { atMs: 19.5, name: "turnEnd" },
  { atMs: 20.5, name: "arrived", ...ACK, peer: 2 },
];
const NODE_2: readonly Stop[] = [
  { atMs: 1, name: "head" },
  { atMs: 2, name: "request" },
  { atMs: 3, name: "queued", group: 5 },
  { atMs: 4, name: "turn" },
  { atMs: 5, name: "sent", ...CALL, peer: 1 },
  { atMs: 5.5, name: "turnEnd" },
  { atMs: 10.5, name: "arrived", ...APPEND, peer: 1 },
  { atMs: 20, name: "arrived", what: "reply", index: 700, peer: 1 },
  { atMs: 21, name: "turn" },
  { atMs: 22, name: "settled", group: 5 },
  { atMs: 23, name: "answered" },
];
const NODE_3: readonly Stop[] = [
  { atMs: 10, name: "arrived", ...APPEND, peer: 1 },
  { atMs: 11, name: "turn" },
  { atMs: 12, name: "frame", file: "c.wal" },
  { atMs: 12.1, name: "syncBegun", file: "c.wal" },
  { atMs: 14, name: "synced", file: "c.wal" },
  { atMs: 15, name: "sent", ...ACK, peer: 1 },
];
const TIMELINES = new Map([NODE_1, NODE_2, NODE_3].map((stops, at) => [at + 1, new Timeline(stops)]));
const PUT = {
  kind: "put",
  isForwarded: true,
  group: 5,
  entry: 2,
  leader: 1,
  begunMs: 0,
  endedMs: 24,
} as const;

test("a forwarded put is followed through three nodes", () => {
  const { journey, missing } = journeyOf(PUT, TIMELINES);
  assert.is(missing, undefined);
  const times = stepsOf(PUT).map(({ key }) => [key, journey.get(key)]);
  assert.equal(times, [
    ["begun", 0],
    ["head", 1],
    ["request", 2],
    ["queued", 3],
    ["passTurn", 4],
    ["callSent", 5],
    ["callArrived", 6],
    ["turn", 7],
    ["asked", 8],
    ["ownFrame", 9],
    ["turnEnd", 9.2],
    ["ownSynced", 17],
    ["arrived", 10],
    ["theirTurn", 11],
    ["frame", 12],
    ["synced", 14],
    ["replied", 15],
    ["confirmed", 16],
    ["lastTurn", 18],
    ["replySent", 19],
    ["replyArrived", 20],
    ["replyTurn", 21],
    ["settled", 22],
    ["answered", 23],
    ["ended", 24],
  ]);
});

test("a call that went another way is told by the first step that is missing", () => {
  const direct = { ...PUT, isForwarded: false, entry: 1 } as const;
  assert.is(journeyOf(direct, TIMELINES).missing?.key, "head");
  const later = { ...PUT, begunMs: 2.5 };
  assert.is(journeyOf(later, TIMELINES).missing?.key, "head");
});

test("a get is followed to the first follower that answers, and back", () => {
  const question = { what: "heartbeatRequest", group: 5, index: 9, commit: 1 };
  const answer = { what: "heartbeatResponse", group: 5, index: 9 };
  const timelines = new Map([
    [
      1,
      new Timeline([
        { atMs: 1, name: "head" },
        { atMs: 1, name: "request" },
        { atMs: 2, name: "queued", group: 5 },
        { atMs: 3, name: "turn" },
        // An ordinary heartbeat confirms no read.
        { atMs: 3.5, name: "sent", ...question, index: 0, peer: 2 },
        { atMs: 4, name: "sent", ...question, peer: 2 },
        { atMs: 5, name: "turnEnd" },
        { atMs: 9, name: "arrived", ...answer, peer: 2 },
        { atMs: 10, name: "turn" },
        { atMs: 11, name: "settled", group: 5 },
        { atMs: 12, name: "answered" },
      ]),
    ],
    [
      2,
      new Timeline([
        { atMs: 6, name: "arrived", ...question, peer: 1 },
        { atMs: 7, name: "turn" },
        { atMs: 8, name: "sent", ...answer, peer: 1 },
      ]),
    ],
  ]);
  const call = { ...PUT, kind: "get", isForwarded: false, entry: 1, endedMs: 13 } as const;
  const { journey, missing } = journeyOf(call, timelines);
  assert.is(missing, undefined);
  assert.equal(["asked", "arrived", "replied", "confirmed", "lastTurn"].map((key) => journey.get(key)), [
    4,
    6,
    8,
    9,
    10,
  ]);
});

test("figures are medians and 99th percentiles, a line for each step", () => {
  const { journey } = journeyOf(PUT, TIMELINES);
  const slower = new Map([...journey].map(([key, ms]) => [key, 2 * ms]));
  const figures = summarize(PUT, [journey, slower, journey]);
  const settled = figures.find(({ step }) => step.key === "settled")!;
  assert.equal(settled.sinceBegin, { p50Ms: 22, p99Ms: 44 });
  assert.equal(settled.sinceStepBefore, { p50Ms: 1, p99Ms: 2 });
  const lines = tableOf(figures);
  assert.is(lines.length, figures.length + 2);
  assert.ok(lines.every((line) => line.length === lines[0]!.length));
  assert.match(lines.at(-1)!, /client +\| has the answer +\| +24\.0 \|/);
});

test("clocks that disagree are seen by messages that are faster one way", () => {
  const sent = { name: "sent", peer: 2, ...CALL } as const;
  const reply = { what: "reply", index: 700 } as const;
  // Node 2 is 3 ms ahead, and every message takes 1 ms.
  const timelines = new Map([
    [1, new Timeline([{ ...sent, atMs: 0 }, { name: "arrived", peer: 2, ...reply, atMs: 3 }])],
    [
      2,
      new Timeline([{ name: "arrived", peer: 1, ...CALL, atMs: 4 }, {
        name: "sent",
        peer: 1,
        ...reply,
        atMs: 5,
      }]),
    ],
  ]);
  const [check] = checkClocks(timelines);
  assert.equal(check, { from: 1, to: 2, fastestMs: 4, fastestBackMs: -2 });
  assert.is(apartMs(check!), 3);
});

test.run();
