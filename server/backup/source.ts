/**
 * The port to the cluster that is backed up. The client implements it; this room knows no network.
 *
 * @module
 */

/** A file of a partition's state. */
export interface SourceFile {
  /** 16 bytes that no other file of any cluster has. */
  readonly identity: Uint8Array;
  readonly bytes: number;
}

/** What a partition holds. */
export interface SourceState {
  readonly kind: "state";
  readonly clusterId: string;
  readonly partitionId: number;
  readonly partitionCount: number;
  readonly index: number;
  readonly term: number;
  readonly descriptionBytes: number;
  /** All of them, those that are not sent too. */
  readonly files: readonly SourceFile[];
}

/** The next bytes of a file. */
export interface SourceFilePart {
  readonly kind: "filePart";
  /** Position in the state's list. */
  readonly file: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** CRC-32C of `data`. */
  readonly crc: number;
}

/** What comes of a partition: the state, its description, the files that are not held, the end. */
export type SourcePart =
  | SourceState
  | { readonly kind: "description"; readonly bytes: Uint8Array }
  | SourceFilePart
  | { readonly kind: "end" };

/** See the module comment. */
export interface BackupSource {
  /** Partitions that the cluster has, and its id. */
  shape(): Promise<{ readonly clusterId: string; readonly partitionCount: number }>;
  /**
   * Everything that a partition holds.
   *
   * @param held identities of files that are not to be sent
   * @throws when it cannot be had; asked again it may be
   */
  readPartition(partitionId: number, held: readonly Uint8Array[]): AsyncIterable<SourcePart>;
}
