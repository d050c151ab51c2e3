/**
 * What a sender hands out, to whom together, and when it lets go.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { contentOf, MemorySource, PassingClock } from "../../tests/support/cluster/snapshot_ends.ts";
import type { SnapshotAnswer } from "../ports/mod.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

const test = suite("snapshot sender");
const FILES = [{ name: "a", length: 3_000_000 }, { name: "b", length: 10 }];
const PART_BYTES_MAX = 1024 * 1024;

function senderOf(source = new MemorySource(FILES), clock = new PassingClock()) {
  const sender = new SnapshotSender({ source, clock });
  const begin = (from: number, group = 1) => sender.answer(from, { kind: "begin", group });
  const read = (from: number, snapshotId: number, { fileNumber = 2, offset = 0, bytesMax = 10 } = {}) =>
    sender.answer(from, { kind: "read", group: 1, snapshotId, fileNumber, offset, bytesMax });
  const end = (from: number, snapshotId: number) =>
    sender.answer(from, { kind: "end", group: 1, snapshotId });
  return { sender, source, clock, begin, read, end };
}

function idOf(answer: SnapshotAnswer): number {
  if (answer.kind !== "begun") throw new Error(`it is ${JSON.stringify(answer)}`);
  return answer.snapshotId;
}

const isGone = (answer: SnapshotAnswer) => answer.kind === "refused" ? answer.isGone : undefined;

test("parts are what was asked for, a mebibyte at most, and the same when asked for again", async () => {
  const { begin, end, read, sender, source } = senderOf();
  const id = idOf(await begin(2));
  const asked = { fileNumber: 1, offset: 5, bytesMax: 100 };
  const content = contentOf(FILES[0]!);
  assert.equal(await read(2, id, asked), { kind: "part", bytes: content.slice(5, 105) });
  assert.equal(await read(2, id, asked), { kind: "part", bytes: content.slice(5, 105) });
  const large = await read(2, id, { fileNumber: 1, offset: 0, bytesMax: 2_000_000 });
  assert.equal(large, { kind: "part", bytes: content.slice(0, PART_BYTES_MAX) });
  assert.equal(sender.stats, { sent: 0, bytesSent: 200 + PART_BYTES_MAX, underWay: 1 });
  for (let time = 0; time < 2; time++) assert.equal(await end(2, id), { kind: "done" });
  assert.equal(sender.stats, { sent: 1, bytesSent: 200 + PART_BYTES_MAX, underWay: 0 });
  assert.is(source.released, 1);
  assert.is(isGone(await read(2, id)), true);
});

test("receivers share a snapshot while it is young; it is released when the last has ended", async () => {
  const { begin, clock, end, read, source } = senderOf();
  const first = idOf(await begin(2));
  await clock.pass(30_000);
  assert.is(idOf(await begin(3)), first);
  await clock.pass(50);
  const second = idOf(await begin(4));
  assert.ok(second > first);
  assert.is(source.opened, 2);
  await end(2, first);
  assert.is(source.released, 0);
  assert.is((await read(3, first)).kind, "part");
  await end(3, first);
  assert.is(source.released, 1);
});

test("those who ask while a snapshot is being made get the same one", async () => {
  const { begin, source } = senderOf();
  const gate = Promise.withResolvers<void>();
  source.gate = gate.promise;
  const both = [begin(2), begin(3)];
  gate.resolve();
  const [first, second] = (await Promise.all(both)).map(idOf);
  assert.is(first, second);
  assert.is(source.opened, 1);
});

test("those who ask for the last snapshot that may be made share it, too", async () => {
  const { begin, sender, source } = senderOf();
  for (const group of [2, 3, 4]) await begin(2, group);
  const gate = Promise.withResolvers<void>();
  source.gate = gate.promise;
  const both = [begin(2), begin(3)];
  gate.resolve();
  const [first, second] = (await Promise.all(both)).map(idOf);
  assert.is(first, second);
  assert.is(sender.stats.underWay, 4);
});

test("a sender that starts later uses other ids", async () => {
  const first = idOf(await senderOf(undefined, new PassingClock(1_790_000_000_000)).begin(2));
  const second = idOf(await senderOf(undefined, new PassingClock(1_790_000_000_001)).begin(2));
  assert.ok(second > first + 100);
  assert.ok(Number.isSafeInteger(second));
});

test("no more than four are open; who is refused may come again", async () => {
  const { begin, end, sender } = senderOf();
  const first = idOf(await begin(2, 1));
  for (const group of [2, 3, 4]) await begin(2, group);
  assert.is(isGone(await begin(2, 5)), false);
  assert.is((await begin(3, 4)).kind, "begun");
  await end(2, first);
  assert.is((await begin(2, 5)).kind, "begun");
  assert.is(sender.stats.underWay, 4);
});

test("what nobody asks for is closed; a sign of life keeps it open", async () => {
  const { begin, clock, read, sender, source } = senderOf();
  const id = idOf(await begin(2));
  await clock.pass(50_000);
  sender.tick();
  const sign = await read(2, id, { fileNumber: 0, offset: 0, bytesMax: 0 });
  assert.equal(sign, { kind: "part", bytes: new Uint8Array(0) });
  await clock.pass(50_000);
  sender.tick();
  assert.is(source.released, 0);
  await clock.pass(10_000);
  sender.tick();
  assert.is(source.released, 1);
  assert.is(isGone(await read(2, id)), true);
});

test("entries are kept behind the oldest open snapshot, and for a while behind a closed one", async () => {
  const { begin, clock, end, sender, source } = senderOf();
  assert.is(sender.heldIndex(1), undefined);
  const first = idOf(await begin(2));
  await clock.pass(40_000);
  source.index = 200;
  const second = idOf(await begin(3));
  assert.is(sender.heldIndex(1), 100);
  assert.is(sender.heldIndex(2), undefined);
  await end(2, first);
  await clock.pass(29_000);
  sender.tick();
  assert.is(sender.heldIndex(1), 100);
  await clock.pass(1_000);
  assert.is(sender.heldIndex(1), 200);
  sender.tick();
  await end(3, second);
  assert.is(sender.heldIndex(1), 200);
  await clock.pass(30_000);
  assert.is(sender.heldIndex(1), undefined);
});

test("a receiver that begins anew leaves what it had", async () => {
  const { begin, clock, read, source } = senderOf();
  const first = idOf(await begin(2));
  await clock.pass(31_000);
  const second = idOf(await begin(2));
  assert.is(source.released, 1);
  assert.is(isGone(await read(2, first)), true);
  assert.is((await read(2, second)).kind, "part");
});

test("a read past the end is refused; a file that cannot be read ends its snapshot", async () => {
  const { begin, read, source } = senderOf();
  const id = idOf(await begin(2));
  assert.is(isGone(await read(2, id, { bytesMax: 11 })), false);
  assert.is((await read(2, id)).kind, "part");
  source.readError = new Error("block 3 does not match its checksum");
  const answer = await read(2, id);
  assert.is(isGone(answer), true);
  assert.match(JSON.stringify(answer), /block 3/);
  assert.is(source.released, 1);
});

test("a snapshot is for its group only", async () => {
  const { begin, sender } = senderOf();
  const snapshotId = idOf(await begin(2));
  const asked = { kind: "read", group: 2, snapshotId, fileNumber: 2, offset: 0, bytesMax: 1 } as const;
  assert.is(isGone(await sender.answer(2, asked)), true);
});

test("who has no replica, or cannot make a snapshot, refuses", async () => {
  const { begin, source } = senderOf();
  source.hasReplica = false;
  assert.is(isGone(await begin(2)), false);
  source.gate = Promise.reject(new Error("no space left"));
  assert.match(JSON.stringify(await begin(2)), /no space left/);
  source.gate = Promise.resolve();
  source.hasReplica = true;
  assert.is((await begin(2)).kind, "begun");
});

for (const [how, stop] of [["closed", "close"], ["told that the replica goes", "forget"]] as const) {
  test(`a sender that is ${how} releases all, also what is being made`, async () => {
    const { begin, clock, sender, source } = senderOf();
    await begin(2);
    await clock.pass(31_000);
    const gate = Promise.withResolvers<void>();
    source.gate = gate.promise;
    const waiting = begin(3);
    if (stop === "close") sender.close();
    else sender.forget(1);
    gate.resolve();
    assert.is(isGone(await waiting), false);
    assert.equal([source.opened, source.released], [2, 2]);
    assert.equal([sender.stats.underWay, sender.heldIndex(1)], [0, undefined]);
  });
}

test.run();
