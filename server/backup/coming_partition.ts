/**
 * A partition that comes in, part by part, and is held to what it says of itself: first its state, then its
 * description, then files, one after the other, then the end.
 *
 * @module
 */

import { decodeSnapshotDescription, type SnapshotDescription } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";
import type { BackupDirectory } from "./directory.ts";
import { IncomingFile } from "./incoming_file.ts";
import { type BackedUpFile, type BackedUpPartition, tableName } from "./manifest.ts";
import type { SourceFilePart, SourcePart, SourceState } from "./source.ts";

/** Which partition is asked for. */
export interface WantedPartition {
  readonly clusterId: string;
  readonly partitionId: number;
  readonly partitionCount: number;
}

/** A file that has come whole. */
interface FinishedFile {
  readonly name: string;
  readonly file: BackedUpFile;
}

/** See the module comment. */
export class ComingPartition {
  readonly #wanted: WantedPartition;
  readonly #directory: BackupDirectory;
  #state: SourceState | undefined;
  #descriptionBytes = new Uint8Array(0);
  #described = 0;
  #description: SnapshotDescription | undefined;
  #incoming: IncomingFile | undefined;
  #isEnded = false;

  constructor(wanted: WantedPartition, directory: BackupDirectory) {
    this.#wanted = wanted;
    this.#directory = directory;
  }

  /** @returns the file that is whole with this part, if one is */
  async take(part: SourcePart): Promise<FinishedFile | undefined> {
    if (part.kind === "state") this.#begin(part);
    else if (part.kind === "description") this.#describe(part.bytes);
    else if (part.kind === "end") this.#isEnded = true;
    else return await this.#takeFilePart(part);
  }

  /** All of it has come. */
  finish(): BackedUpPartition {
    const description = this.#mustBeDescribed();
    const { partitionId } = this.#wanted;
    if (!this.#isEnded || this.#incoming !== undefined) throw this.#refusal("it ended early");
    const { index, term } = this.#state!;
    return { partitionId, index, term, description, descriptionBytes: this.#descriptionBytes };
  }

  close(): void {
    this.#incoming?.close();
  }

  #begin(state: SourceState): void {
    const { clusterId, partitionCount, partitionId } = this.#wanted;
    const isWanted = state.clusterId === clusterId && state.partitionId === partitionId &&
      state.partitionCount === partitionCount && this.#state === undefined;
    if (!isWanted) throw this.#refusal("another partition came, or one of another cluster");
    this.#state = state;
    this.#descriptionBytes = new Uint8Array(state.descriptionBytes);
  }

  #describe(bytes: Uint8Array): void {
    if (this.#described + bytes.length > this.#descriptionBytes.length) throw this.#refusal("too much came");
    this.#descriptionBytes.set(bytes, this.#described);
    this.#described += bytes.length;
    if (this.#described < this.#descriptionBytes.length) return;
    this.#description = this.#decoded();
  }

  #decoded(): SnapshotDescription {
    const { files, index, term } = this.#state!;
    let description: SnapshotDescription;
    try {
      description = decodeSnapshotDescription(this.#descriptionBytes);
    } catch (error) {
      throw this.#refusal(error instanceof Error ? error.message : String(error));
    }
    const { point, tables } = description;
    const isAsListed = tables.length === files.length && point.index === index && point.term === term &&
      tables.every((record, at) =>
        tableName(record) === files[at]!.identity.toHex() && record.summary.fileBytes === files[at]!.bytes
      );
    if (!isAsListed) throw this.#refusal("its description does not fit its files");
    return description;
  }

  async #takeFilePart(part: SourceFilePart): Promise<FinishedFile | undefined> {
    const record = this.#mustBeDescribed().tables[part.file];
    if (record === undefined) throw this.#refusal("a file came that is not listed");
    const { partitionId } = this.#wanted;
    this.#incoming ??= await IncomingFile.create({ directory: this.#directory, partitionId, record });
    await this.#incoming.write(part);
    if (!this.#incoming.isWhole) return undefined;
    const file = await this.#incoming.finish();
    this.#incoming = undefined;
    return { name: tableName(record), file };
  }

  #mustBeDescribed(): SnapshotDescription {
    if (this.#description === undefined) throw this.#refusal("files came before their description");
    return this.#description;
  }

  #refusal(why: string): BackupError {
    return new BackupError(`Cannot use what came of partition ${this.#wanted.partitionId}: ${why}`);
  }
}
