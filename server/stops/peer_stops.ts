/**
 * What one node tells another, as stops.
 *
 * @module
 */

import type { Message } from "../../raft/mod.ts";
import type { PeerBatch } from "../ports/mod.ts";
import type { StopDetail, StopRecorder } from "./stop_recorder.ts";

/** A batch that leaves or has come. */
export interface PassingBatch {
  readonly name: "sent" | "arrived";
  /** To whom, or from whom. */
  readonly peer: number;
  readonly batch: PeerBatch;
}

/** Notes every message, passed call and reply of a batch. */
export function noteBatch(recorder: StopRecorder, { name, peer, batch }: PassingBatch): void {
  for (const message of batch.messages) recorder.note(name, { ...detailOf(message), peer });
  for (const { callId, group } of batch.calls) {
    recorder.note(name, { what: "call", group, index: callId, peer });
  }
  for (const { callId } of batch.replies) recorder.note(name, { what: "reply", index: callId, peer });
}

/** Messages that calls do not wait for are told by their kind. */
function detailOf(message: Message): StopDetail {
  const { kind: what, group } = message;
  switch (message.kind) {
    case "appendRequest": {
      const { commit, entries: { length: entries }, prevLogIndex } = message;
      return { what, group, index: prevLogIndex + entries, entries, commit };
    }
    case "appendResponse":
      return { what, group, index: message.matchIndex };
    case "heartbeatRequest":
      return { what, group, index: message.readRound, commit: message.commit };
    case "heartbeatResponse":
      return { what, group, index: message.readRound };
    default:
      return { what, group };
  }
}
