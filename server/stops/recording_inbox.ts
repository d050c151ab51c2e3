/**
 * The node's inbox, with a record of what comes in, and of the results of calls.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import { groupOfPartition } from "../cluster/mod.ts";
import type { Input, NodeInbox } from "../node/mod.ts";
import { noteBatch } from "./peer_stops.ts";
import type { StopRecorder } from "./stop_recorder.ts";

/** See the module comment. */
export class RecordingInbox implements NodeInbox {
  readonly #inbox: NodeInbox;
  readonly #recorder: StopRecorder;

  constructor(inbox: NodeInbox, recorder: StopRecorder) {
    this.#inbox = inbox;
    this.#recorder = recorder;
  }

  get isEmpty(): boolean {
    return this.#inbox.isEmpty;
  }

  get size(): number {
    return this.#inbox.size;
  }

  push(input: Input): void {
    if (input.kind === "peerBatch") {
      noteBatch(this.#recorder, { name: "arrived", peer: input.from, batch: input.batch });
    }
    this.#inbox.push(input.kind === "call" ? this.#recorded(input) : input);
  }

  drain(): readonly Input[] {
    return this.#inbox.drain();
  }

  onceFilled(wake: () => void): void {
    this.#inbox.onceFilled(wake);
  }

  /** The same call; its result passes here. */
  #recorded({ call }: Extract<Input, { readonly kind: "call" }>): Input {
    const group = groupOfPartition(call.partitionId);
    this.#recorder.note("queued", { group });
    return call.kind === "write"
      ? { kind: "call", call: { ...call, settle: this.#settling(call.settle, group) } }
      : { kind: "call", call: { ...call, settle: this.#settling(call.settle, group) } };
  }

  #settling<Result>(settle: (result: Result) => void, group: GroupId): (result: Result) => void {
    return (result) => {
      this.#recorder.note("settled", { group });
      settle(result);
    };
  }
}
