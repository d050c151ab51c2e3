/**
 * What is recorded of calls, where it is recorded, and that nothing stands there unless it is asked for.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { PeerTransport } from "../ports/mod.ts";
import { SYSTEM_CLOCK } from "../ports/mod.ts";
import type { RequestHead, WholeHandler } from "../http/mod.ts";
import { Inbox, type Input } from "../node/mod.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { bordersFor } from "./borders.ts";
import { RecordingFileSystem } from "./recording_files.ts";
import { RecordingInbox } from "./recording_inbox.ts";
import { recordingRouter } from "./recording_router.ts";
import { RecordingTransport } from "./recording_transport.ts";
import { StopRecorder } from "./stop_recorder.ts";

const test = suite("stops");

/** A recorder whose clock goes on by one at every look, and the names that it has noted. */
function counting(stopsMax = 100) {
  let nowMs = 0;
  const recorder = new StopRecorder(stopsMax, () => nowMs++);
  return { recorder, noted: () => recorder.since(0).stops };
}

test("the last stops are kept, oldest first, and what is forgotten is counted", () => {
  const { recorder } = counting(3);
  for (const index of [0, 1]) recorder.note("frame", { index });
  assert.equal(recorder.since(0), {
    stops: [{ name: "frame", atMs: 0, index: 0 }, { name: "frame", atMs: 1, index: 1 }],
    forgotten: 0,
    next: 2,
    count: 2,
  });
  for (const index of [2, 3, 4]) recorder.note("frame", { index });
  const { stops, forgotten, next } = recorder.since(1);
  assert.equal(stops.map(({ index }) => index), [2, 3, 4]);
  assert.is(forgotten, 1);
  assert.is(next, 5);
  assert.equal(recorder.since(next), { stops: [], forgotten: 0, next, count: 5 });
  assert.equal(recorder.since(99), { stops: [], forgotten: 0, next, count: 5 });
  const page = recorder.since(2, 2);
  assert.equal(page.stops.map(({ index }) => index), [2, 3]);
  assert.is(page.next, 4);
  assert.is(page.count, 5);
});

test("times of different processes can be compared", () => {
  const recorder = new StopRecorder(1);
  recorder.note("turn");
  const { atMs } = recorder.since(0).stops[0]!;
  assert.ok(Math.abs(atMs - Date.now()) < 60_000, `${atMs} is no time since 1970`);
});

test("nothing is replaced where nothing is to be recorded", () => {
  const borders = bordersFor(undefined);
  const inbox = new Inbox();
  const files = memoryFiles();
  const transport = fakeTransport();
  const router = { route: () => fakeHandler() };
  assert.is(borders.inbox(inbox), inbox);
  assert.is(borders.clock(SYSTEM_CLOCK), SYSTEM_CLOCK);
  assert.is(borders.fileSystem(files), files);
  assert.is(borders.transport(transport), transport);
  assert.is(borders.router(router), router);
  assert.is(borders.opsRouter(router), router);
});

test("a call and its result pass the inbox on the record, once", () => {
  const { recorder, noted } = counting();
  const inbox = new RecordingInbox(new Inbox(), recorder);
  const results: unknown[] = [];
  const base = { partitionId: 4, deadlineMs: 1, mayForward: true };
  inbox.push({
    kind: "call",
    call: { ...base, kind: "write", command: new Uint8Array(), settle: (result) => results.push(result) },
  });
  const [input] = inbox.drain();
  assert.ok(input?.kind === "call" && input.call.kind === "write");
  input.call.settle({ ok: true, value: { kind: "applied", version: 1, existed: [] } as never });
  assert.is(results.length, 1);
  assert.equal(noted(), [{ name: "queued", atMs: 0, group: 5 }, { name: "settled", atMs: 1, group: 5 }]);
});

test("what peers send and are sent is told by what calls wait for", () => {
  const { recorder, noted } = counting();
  const inbox = new RecordingInbox(new Inbox(), recorder);
  const transport = new RecordingTransport(fakeTransport(), recorder);
  const envelope = { group: 2, from: 1, to: 3, term: 7 };
  const entry = { index: 12, term: 7, kind: 0, data: new Uint8Array(3) } as never;
  const rest = { leaderships: [], reminders: [] };
  const batch = {
    ...rest,
    messages: [
      {
        ...envelope,
        kind: "appendRequest",
        prevLogIndex: 11,
        prevLogTerm: 7,
        entries: [entry],
        commit: 10,
      } as const,
      { ...envelope, kind: "heartbeatResponse", readRound: 9, sentAt: 0 } as const,
    ],
    calls: [{ kind: "read", callId: 44, timeoutMs: 5, group: 2, keys: [] } as const],
    replies: [{ kind: "values", callId: 45, values: [] } as const],
  };
  assert.ok(transport.send(3, batch));
  inbox.push({ kind: "peerBatch", from: 1, batch });
  const told = [
    { what: "appendRequest", group: 2, index: 12, entries: 1, commit: 10 },
    { what: "heartbeatResponse", group: 2, index: 9 },
    { what: "call", group: 2, index: 44 },
    { what: "reply", index: 45 },
  ];
  const passing = (name: string, peer: number, firstMs: number) =>
    told.map((each, at) => ({ ...each, name, peer, atMs: firstMs + at }));
  assert.equal(noted(), [...passing("sent", 3, 0), ...passing("arrived", 1, 4)]);
  assert.equal(inbox.drain().map(({ kind }: Input) => kind), ["peerBatch"]);
});

test("frames and syncs are told with their file", async () => {
  const { recorder, noted } = counting();
  const files = new RecordingFileSystem(memoryFiles(), recorder);
  await files.createDirectory("logs");
  const file = await files.create("logs/a.wal");
  file.writeSync(Uint8Array.of(1, 2), 0);
  await file.syncData();
  assert.is(await file.size(), 2);
  assert.equal(noted().map(({ name, file }) => [name, file]), [
    ["frame", "a.wal"],
    ["syncBegun", "a.wal"],
    ["synced", "a.wal"],
  ]);
});

test("requests with a whole body are told, and answered as without a record", async () => {
  const { recorder, noted } = counting();
  const router = recordingRouter({ route: () => fakeHandler() }, recorder);
  const handler = router.route({} as RequestHead) as WholeHandler;
  const answer = await handler.answer({} as RequestHead, Uint8Array.of(7), {} as never);
  assert.equal(answer.body, Uint8Array.of(7));
  assert.is(handler.bodyLimitBytes, 10);
  assert.equal(noted().map(({ name }) => name), ["head", "request", "answered"]);
});

function memoryFiles() {
  return new MemoryDisk({ random: new SeededRandom(1) }).mount();
}

function fakeHandler(): WholeHandler {
  const answerOf = (body: Uint8Array) => ({ status: 200, headers: [], body });
  return {
    kind: "whole",
    bodyLimitBytes: 10,
    answer: (_, body) => Promise.resolve(answerOf(body)),
    refuse: () => answerOf(new Uint8Array()),
  };
}

function fakeTransport(): PeerTransport {
  return {
    setPeers: () => {},
    whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "a test" }),
    send: () => true,
    askSnapshot: () => Promise.reject(new Error("there is no network")),
    statuses: () => [],
    close: () => Promise.resolve(),
  };
}

test.run();
