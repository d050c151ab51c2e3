/**
 * What is kept of a message owns its bytes. A message arrives as a view of the chunk it was read with, 64 KiB
 * however little there is in it, and one small entry that is kept would keep all of that.
 *
 * @module
 */

import type { Entry, Message } from "../../raft/mod.ts";
import { keptBytes } from "../kv/mod.ts";
import type { ForwardedCall, PeerBatch } from "../ports/mod.ts";

/** A chunk that is used to half or more may be kept as it is: copying would save less than it holds. */
const CHUNK_SHARE_MIN = 1 / 2;

/** `batch`, which was read from `bytes`, with what is kept of it copied if the chunk holds much more. */
export function ownBatch(batch: PeerBatch, bytes: Uint8Array): PeerBatch {
  if (bytes.length >= CHUNK_SHARE_MIN * bytes.buffer.byteLength) return batch;
  if (!batch.messages.some(carriesEntries) && batch.calls.length === 0) return batch;
  return { ...batch, messages: batch.messages.map(ownMessage), calls: batch.calls.map(ownCall) };
}

function carriesEntries(message: Message): boolean {
  return message.kind === "appendRequest" && message.entries.length > 0;
}

function ownMessage(message: Message): Message {
  if (message.kind !== "appendRequest") return message;
  return { ...message, entries: message.entries.map(ownEntry) };
}

function ownEntry(entry: Entry): Entry {
  return { index: entry.index, term: entry.term, kind: entry.kind, data: copyOf(entry.data) };
}

function ownCall(call: ForwardedCall): ForwardedCall {
  return call.kind === "write"
    ? { ...call, command: copyOf(call.command) }
    : { ...call, keys: call.keys.map(copyOf) };
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = keptBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
