/**
 * What a transfer needs of the nodes at its two ends: files to read, and a place to put them. What a snapshot
 * consists of, only the two stores know.
 *
 * @module
 */

import type { GroupId, LogIndex } from "../../raft/mod.ts";

/** A snapshot that is held at the sender until it is released. */
export interface HeldSnapshot {
  /** Up to where the log is part of it. */
  readonly point: { readonly index: LogIndex };
  /** Point and tables, as the store writes them. */
  readonly description: Uint8Array;
  /**
   * Fills `into` from a file.
   *
   * @throws {RangeError} when the snapshot has no such file, or it ends before
   */
  read(fileNumber: number, offset: number, into: Uint8Array): void;
  release(): void;
}

/** Where snapshots come from. */
export interface SnapshotSource {
  /** Flushes, then pins what is in tables. `undefined`: there is no replica here that may be a source. */
  openSnapshot(group: GroupId): Promise<HeldSnapshot | undefined>;
}

/** A file that is to be fetched. */
export interface MissingFile {
  /** The sender's. */
  readonly fileNumber: number;
  readonly fileBytes: number;
  /** How many of its bytes are here. */
  readonly received: number;
}

/** A snapshot that grows beside the state of a replica. */
export interface SnapshotInstall {
  /** As they are when it begins. */
  readonly missing: readonly MissingFile[];
  /** Per file in order and without gaps. */
  write(fileNumber: number, offset: number, bytes: Uint8Array): Promise<void>;
  /** Removes what has come, unless it is part of another one meanwhile. */
  abandon(): Promise<void>;
}

/** Where snapshots go. */
export interface SnapshotTarget {
  /**
   * Makes room for a snapshot beside the state of the replica. An earlier one of the group may still be open:
   * it is abandoned when this has returned, so that files which both have need not come again.
   *
   * @returns `undefined` when there is no replica here that wants it
   */
  begin(group: GroupId, description: Uint8Array): Promise<SnapshotInstall | undefined>;
  /** Everything is here: verifies it and switches the replica to it. */
  install(group: GroupId, description: Uint8Array, install: SnapshotInstall): Promise<void>;
}
