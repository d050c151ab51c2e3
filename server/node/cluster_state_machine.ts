/**
 * The state machine of group 0: the cluster's own state, as the group's committed entries make it.
 *
 * @module
 */

import type { LogIndex } from "../../raft/mod.ts";
import type { StateMachine } from "../calls/mod.ts";
import {
  applyCommand,
  type ClusterChange,
  type ClusterCommand,
  type ClusterState,
  decodeClusterCommand,
  decodeClusterState,
  encodeClusterState,
} from "../cluster/mod.ts";
import type { Outcome, StateChange, StateStore } from "../kv/mod.ts";

/** Where the state is kept. */
type RowStore = Pick<StateStore, "get" | "memoryBytes">;

/** The row that holds the state. */
const CLUSTER_ROW = Uint8Array.of(0, 0x63);

/** A change that somebody has asked for and waits to see. */
export interface ExpectedChange {
  /**
   * As it was when its request was applied here: refused at once, or under way. Where a state was restored
   * that has it already, as it is in that.
   */
  readonly begun: Promise<ClusterChange>;
  /** Ends the waiting. */
  readonly forget: () => void;
}

/** See the module comment. */
export class ClusterStateMachine implements StateMachine {
  readonly #store: RowStore;
  #state: ClusterState;
  #appliedIndex: LogIndex = 0;
  readonly #expected = new Map<string, (change: ClusterChange) => void>();
  /** Nothing here is forgotten by age. */
  readonly timeMs = 0;
  readonly earliestExpiryMs = undefined;
  /** All of it is one row. */
  readonly unsavedCount = 1;

  /**
   * @param initial the state before any entry
   * @param store empty, or to be read with `restore` before anything else
   */
  constructor(initial: ClusterState, store: RowStore) {
    this.#state = initial;
    this.#store = store;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Of its row; the state itself is bounded by the limits of a cluster, and small. */
  get memoryBytes(): number {
    return this.#store.memoryBytes;
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
    if (command.kind === "change") this.#show(command.changeId);
    return { kind: "applied", version: index, existed: [] };
  }

  *restoring(index: LogIndex): Generator<void> {
    const row = this.#store.get(CLUSTER_ROW);
    if (row === undefined) {
      throw new RangeError("Cannot restore the cluster's state: its store does not hold it");
    }
    yield;
    this.restoreState(row.value, index);
  }

  takeUnsaved(): readonly StateChange[] {
    return [{ key: CLUSTER_ROW, value: this.encodeState() }];
  }

  /** The state as bytes; they do not say up to which entry. */
  encodeState(): Uint8Array {
    return encodeClusterState(this.#state);
  }

  /**
   * The state becomes what `encodeState` has given, here or on another node, when `appliedIndex` was the last
   * entry applied there. Who waits for a change that ended so long before that the state does not have it any
   * more waits on.
   *
   * @throws {RangeError} when the bytes are no state; then nothing has changed
   */
  restoreState(bytes: Uint8Array, appliedIndex: LogIndex): void {
    this.#state = decodeClusterState(bytes);
    this.#appliedIndex = appliedIndex;
    for (const { changeId } of this.#state.changes) this.#show(changeId);
  }

  /**
   * The change `changeId` when its request is applied here. Of those that have ended the state retains a few
   * only, so who looks into it later may not find a change that was refused among many.
   */
  expect(changeId: string): ExpectedChange {
    const { promise, resolve } = Promise.withResolvers<ClusterChange>();
    this.#expected.set(changeId, resolve);
    return { begun: promise, forget: () => void this.#expected.delete(changeId) };
  }

  skip(index: LogIndex): void {
    this.#appliedIndex = index;
  }

  /** It holds no keys. */
  get(): undefined {
    return undefined;
  }

  expiresAtMs(): undefined {
    return undefined;
  }

  latestDueMs(): undefined {
    return undefined;
  }

  expiredKeys(): readonly Uint8Array[] {
    return [];
  }

  #show(changeId: string): void {
    const show = this.#expected.get(changeId);
    if (show === undefined) return;
    const change = this.#state.changes.find((each) => each.changeId === changeId);
    if (change !== undefined) show(change);
  }
}
