/**
 * All that arrives between two turns, in order. Bounded: calls beyond the budget are refused by whoever
 * pushes them; batches of peers and ticks are bounded by their senders.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../raft/mod.ts";
import type { Call } from "../calls/mod.ts";
import type { PeerBatch } from "../ports/mod.ts";

/** One thing that happened. */
export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "call"; readonly call: Call }
  /** Somebody wants `group`, if this node leads it, to be led by `to`. */
  | { readonly kind: "transfer"; readonly group: GroupId; readonly to: NodeId }
  | { readonly kind: "peerBatch"; readonly from: NodeId; readonly batch: PeerBatch }
  /** A stream to the peer is open; what was sent before may be lost. */
  | { readonly kind: "peerConnected"; readonly peer: NodeId }
  | { readonly kind: "peerLost"; readonly peer: NodeId };

/** See the module comment. */
export class Inbox {
  #inputs: Input[] = [];
  #wake: (() => void) | undefined;

  get isEmpty(): boolean {
    return this.#inputs.length === 0;
  }

  /** Inputs waiting. */
  get size(): number {
    return this.#inputs.length;
  }

  push(input: Input): void {
    this.#inputs.push(input);
    const wake = this.#wake;
    if (wake === undefined) return;
    this.#wake = undefined;
    wake();
  }

  /** Everything that has arrived; the inbox is empty afterwards. */
  drain(): readonly Input[] {
    const inputs = this.#inputs;
    this.#inputs = [];
    return inputs;
  }

  /** Calls `wake` once at the next push, or right away if something waits already. */
  onceFilled(wake: () => void): void {
    if (!this.isEmpty) wake();
    else this.#wake = wake;
  }
}
