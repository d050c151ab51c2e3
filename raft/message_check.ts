/**
 * Which messages a sound peer could have sent. The rest is ignored: damage on the way must not stop a node.
 *
 * @module
 */

import { tryDecodeMembership } from "./membership_codec.ts";
import type { AppendRequest, Message } from "./message.ts";
import { EntryKind } from "./types.ts";

/** Whether `message` makes sense by itself. */
export function isWellFormed(message: Message): boolean {
  if (message.term < 0) return false;
  if (message.kind === "snapshotNotice") return message.index > 0;
  return message.kind !== "appendRequest" || isSoundAppend(message);
}

/**
 * Entries follow each other, their terms do not fall, and none is of a later term than the leader that sends
 * it.
 */
function isSoundAppend(message: AppendRequest): boolean {
  const { entries } = message;
  let index = message.prevLogIndex;
  let term = message.prevLogTerm;
  for (let position = 0; position < entries.length; position++) {
    const entry = entries[position]!;
    if (entry.index !== index + 1 || entry.term < term) return false;
    if (entry.kind === EntryKind.membership && tryDecodeMembership(entry.data) === undefined) return false;
    index = entry.index;
    term = entry.term;
  }
  return index >= 0 && term <= message.term;
}
