/**
 * The state machine of group 0: the cluster's own state, as the group's committed entries make it.
 *
 * @module
 */

import type { LogIndex } from "../raft/mod.ts";
import { type ClusterCommand, ClusterState, type ClusterView, decodeClusterCommand } from "./cluster/mod.ts";
import type { Outcome } from "./kv/mod.ts";
import type { Machine } from "./machine.ts";

/** See the module comment. */
export class ClusterMachine implements Machine {
  readonly #state: ClusterState;
  readonly #onChange: () => void;
  #appliedIndex: LogIndex = 0;

  /** @param onChange called after each command that changed anything */
  constructor(initial: ClusterView, onChange: () => void) {
    this.#state = new ClusterState(initial);
    this.#onChange = onChange;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  get view(): ClusterView {
    return this.#state.view;
  }

  /** What became of the command is seen in the view. */
  apply(index: LogIndex, bytes: Uint8Array): Outcome {
    const command: ClusterCommand = decodeClusterCommand(bytes);
    this.skip(index);
    if (this.#state.apply(command)) this.#onChange();
    return { kind: "applied", version: index, existed: [] };
  }

  skip(index: LogIndex): void {
    this.#appliedIndex = index;
  }

  /** It holds no keys. */
  get(): undefined {
    return undefined;
  }
}
