/**
 * All that arrives between two turns, in order. Bounded: the intake refuses calls beyond its budget before
 * it pushes them, the peers' service reads no further while too much waits, and ticks come one at a time.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../raft/mod.ts";
import type { CallInbox, CallInput } from "../calls/mod.ts";
import type { PeerInbox, PeerInput } from "../ports/mod.ts";

/** One thing that happened. */
export type Input =
  | { readonly kind: "tick" }
  | CallInput
  /** `group`, if this node leads it, is to be led by `to`. */
  | { readonly kind: "transfer"; readonly group: GroupId; readonly to: NodeId }
  /**
   * A store that was waited for is open, or could not be opened and is to be tried again; or that of a
   * replica which has left is removed.
   */
  | { readonly kind: "storeOpened" }
  /** The replica of the group stands on a snapshot, or could not be switched to it. */
  | { readonly kind: "installed"; readonly group: GroupId }
  | PeerInput;

/** The inbox as its loop sees it, and as those do who fill it. */
export interface NodeInbox extends CallInbox, PeerInbox {
  readonly isEmpty: boolean;
  push(input: Input): void;
  /** Everything that has arrived; the inbox is empty afterwards. */
  drain(): readonly Input[];
  /** Calls `wake` once at the next push, or right away if something waits already. */
  onceFilled(wake: () => void): void;
}

/** See the module comment. */
export class Inbox implements NodeInbox {
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

  drain(): readonly Input[] {
    const inputs = this.#inputs;
    this.#inputs = [];
    return inputs;
  }

  onceFilled(wake: () => void): void {
    if (!this.isEmpty) wake();
    else this.#wake = wake;
  }
}
