/**
 * The state machine of group 0: the cluster's own state, as the group's committed entries make it.
 *
 * @module
 */

import type { LogIndex } from "../../raft/mod.ts";
import type { StateMachine } from "../calls/mod.ts";
import {
  applyCommand,
  type ClusterCommand,
  type ClusterState,
  decodeClusterCommand,
} from "../cluster/mod.ts";
import type { Outcome } from "../kv/mod.ts";

/** See the module comment. */
export class ClusterStateMachine implements StateMachine {
  #state: ClusterState;
  #appliedIndex: LogIndex = 0;
  /** Nothing here is forgotten by age. */
  readonly timeMs = 0;

  constructor(initial: ClusterState) {
    this.#state = initial;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Bounded by the limits of a cluster, and small. */
  get memoryBytes(): number {
    return 0;
  }

  /** Another object after each command that changed anything. */
  get state(): ClusterState {
    return this.#state;
  }

  /** What became of the command is seen in the state. */
  apply(index: LogIndex, bytes: Uint8Array): Outcome {
    const command: ClusterCommand = decodeClusterCommand(bytes);
    this.skip(index);
    this.#state = applyCommand(this.#state, command);
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
