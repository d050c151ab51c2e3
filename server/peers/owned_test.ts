/**
 * What is kept of a message must not keep the chunk that it was read with.
 *
 * @module
 */

import { WireWriter } from "../../proto/mod.ts";
import type { Message } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import type { PeerBatch } from "../ports/mod.ts";
import { decodePeerBatch, encodePeerBatch } from "./codec.ts";
import { ownBatch } from "./owned.ts";

const test = suite("owned bytes");
const CHUNK_BYTES = 64 * 1024;
const ROUTE = { from: 1, to: 2 };

function batchOf(entryBytes: number): PeerBatch {
  const data = new Uint8Array(entryBytes).fill(9);
  const append: Message = {
    kind: "appendRequest",
    group: 3,
    from: 1,
    to: 2,
    fromReplica: 3,
    toReplica: 1,
    term: 4,
    prevLogIndex: 5,
    prevLogTerm: 4,
    entries: [{ index: 6, term: 4, kind: 1, data }],
    commit: 5,
  };
  return {
    messages: [append],
    calls: [
      { kind: "write", callId: 1, timeoutMs: 5, group: 3, command: data },
      { kind: "read", callId: 2, timeoutMs: 5, group: 3, keys: [data] },
    ],
    replies: [],
    leaderships: [],
    reminders: [],
  };
}

/** Takes in `batch` as it comes: in the middle of a chunk. */
function receive(batch: PeerBatch): { readonly taken: PeerBatch; readonly chunk: ArrayBufferLike } {
  const writer = new WireWriter();
  encodePeerBatch(writer, batch);
  const chunk = new Uint8Array(CHUNK_BYTES);
  chunk.set(writer.view(), 100);
  const message = chunk.subarray(100, 100 + writer.length);
  return { taken: ownBatch(decodePeerBatch(message, ROUTE).batch, message), chunk: chunk.buffer };
}

function keptBytes({ messages, calls }: PeerBatch): readonly Uint8Array[] {
  const entries = messages.flatMap((message) => message.kind === "appendRequest" ? message.entries : []);
  const ofCalls = calls.flatMap((call) => call.kind === "write" ? [call.command] : call.keys);
  return [...entries.map(({ data }) => data), ...ofCalls];
}

test("a small message in a large chunk: entries, commands and keys own their bytes", () => {
  const batch = batchOf(200);
  const { taken, chunk } = receive(batch);
  assert.equal(taken, batch);
  for (const bytes of keptBytes(taken)) assert.is.not(bytes.buffer, chunk);
});

test("a message that fills its chunk is kept as it is", () => {
  const batch = batchOf(15_000);
  const { taken, chunk } = receive(batch);
  assert.equal(taken, batch);
  for (const bytes of keptBytes(taken)) assert.is(bytes.buffer, chunk);
});

test.run();
