/**
 * The manifest: what a store consists of, as a file of edits that only grows, until a new one takes its
 * place. An edit is made durable as a whole or not at all. See `../FORMAT.md`, "Manifest" and "CURRENT".
 *
 * After a write or sync that failed nobody knows what the file holds: it is never written again. The next
 * edit goes into a new manifest, which says everything anew.
 *
 * @module
 */

import { type FileSystem, joinPath, type StoredFile } from "../../../wal-wasm/mod.ts";
import {
  checksumSeed,
  damaged,
  newerFormat,
  readFailed,
  StorageError,
  type StoreSalt,
  writeFailed,
} from "../table/mod.ts";
import { decodeEdit, encodeEdit, type StoreEdit, UnknownEditError } from "./edit.ts";
import { CURRENT_NAME, CURRENT_TMP_NAME, numberedName } from "./file_names.ts";
import {
  decodeFixedHeader,
  encodeFixedHeader,
  FIXED_HEADER_BYTES,
  type FixedHeader,
} from "./fixed_header.ts";
import {
  encodeManifestFrame,
  FrameKind,
  hasFrameBehind,
  MANIFEST_FRAME_HEADER_BYTES,
  type ReadFrame,
  readFrameSequence,
  readManifestFrame,
} from "./frame.ts";

/** Where manifests are. */
export interface ManifestPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

/** What a new manifest is made with. */
export interface NewManifest extends ManifestPlace {
  readonly salt: StoreSalt;
  readonly group: number;
  readonly number: number;
  /** Everything: the change from nothing. */
  readonly state: StoreEdit;
}

/** What a manifest says. */
export interface ReadManifest {
  readonly manifest: StoreManifest;
  /** From the oldest on. */
  readonly edits: readonly StoreEdit[];
}

/** See the module comment. */
export class StoreManifest {
  readonly number: number;
  readonly salt: StoreSalt;
  readonly group: number;
  readonly #file: StoredFile;
  readonly #seed: number;
  #end = FIXED_HEADER_BYTES;
  #sequence = 1;
  #isUsable = true;
  /** The last frame, if no seal says that it is durable. */
  #unsealed: { readonly frame: Uint8Array; readonly offset: number } | undefined;

  private constructor(file: StoredFile, header: FixedHeader) {
    this.#file = file;
    this.number = header.number;
    this.salt = header.salt;
    this.group = header.group;
    this.#seed = checksumSeed(header);
  }

  /**
   * Makes a manifest and puts it in force.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: then either this one or the one before is in force, so
   *   that nothing may be removed that either names, until another attempt has succeeded
   */
  static async create(options: NewManifest): Promise<StoreManifest> {
    const { fileSystem, directory, salt, group, number } = options;
    const path = joinPath(directory, numberedName(number, "manifest"));
    let file: StoredFile | undefined;
    try {
      file = await fileSystem.create(path);
      const manifest = new StoreManifest(file, { salt, group, number });
      await manifest.#begin(options.state);
      await fileSystem.syncDirectory(directory);
      await switchCurrent(options, { salt, number, group: 0 });
      manifest.#seal();
      return manifest;
    } catch (error) {
      file?.close();
      throw error instanceof StorageError ? error : writeFailed(path, error);
    }
  }

  /**
   * Reads the manifest in force; changes nothing.
   *
   * @param place a directory with a `CURRENT`
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`
   */
  static async read({ fileSystem, directory }: ManifestPlace): Promise<ReadManifest> {
    const currentPath = joinPath(directory, CURRENT_NAME);
    const current = await readWhole(fileSystem, currentPath);
    current.file.close();
    const named = decodeFixedHeader("PRKDBCUR", { path: currentPath, offset: 0, bytes: current.bytes });
    if (current.bytes.length !== FIXED_HEADER_BYTES) {
      throw damaged({ path: currentPath, offset: FIXED_HEADER_BYTES }, "it is longer than it can be");
    }
    const path = joinPath(directory, numberedName(named.number, "manifest"));
    const { file, bytes } = await readWhole(fileSystem, path);
    try {
      const header = decodeFixedHeader("PRKDBMAN", { path, offset: 0, bytes });
      checkSame({ named, header, path });
      const manifest = new StoreManifest(file, header);
      return { manifest, edits: manifest.#readEdits(bytes) };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Whether edits can be added: nothing is doubtful about the file. */
  get isUsable(): boolean {
    return this.#isUsable && this.#unsealed === undefined;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Size of the file. */
  get bytes(): number {
    return this.#end;
  }

  /**
   * Makes what was read durable, if that is not certain: the edit of a process that was killed may be in the
   * system's memory only. Whoever relies on what was read calls it first.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: it is still not certain
   */
  async settle({ fileSystem, directory }: ManifestPlace): Promise<void> {
    if (this.#unsealed === undefined) return;
    const { frame, offset } = this.#unsealed;
    try {
      // Written again, since a sync after one that failed says nothing; and it takes no room.
      await this.#file.write(frame, offset);
      await this.#file.syncData();
      await fileSystem.syncDirectory(directory);
    } catch (error) {
      throw writeFailed(this.path, error);
    }
    this.#unsealed = undefined;
    if (this.#isUsable) this.#seal();
  }

  /**
   * Adds an edit and makes it durable.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the edit may be in force after a restart, or not; the
   *   manifest is not usable any more
   */
  async append(edit: StoreEdit): Promise<void> {
    if (!this.#isUsable) {
      throw new StorageError("STORAGE_STATE", `Cannot add to ${this.path}: it is doubtful`);
    }
    this.#isUsable = false;
    try {
      await this.#file.write(this.#frame(FrameKind.edit, encodeEdit(edit)), this.#end);
      await this.#sync();
    } catch (error) {
      throw writeFailed(this.path, error);
    }
    this.#isUsable = true;
    this.#seal();
  }

  /** Gives up the file; what has been added is durable. */
  close(): void {
    this.#isUsable = false;
    this.#file.close();
  }

  /** Header and state as the only content of the file, durable. */
  async #begin(state: StoreEdit): Promise<void> {
    const { salt, group, number } = this;
    await this.#file.write(encodeFixedHeader("PRKDBMAN", { salt, group, number }), 0);
    await this.#file.write(this.#frame(FrameKind.edit, encodeEdit(state)), FIXED_HEADER_BYTES);
    await this.#sync();
  }

  /** Makes the frame that was written last durable, and counts it. */
  async #sync(): Promise<void> {
    await this.#file.syncData();
    this.#end = this.#pendingEnd;
    this.#sequence++;
  }

  #pendingEnd = 0;

  #frame(kind: number, body: Uint8Array): Uint8Array {
    const place = { seed: this.#seed, offset: this.#end };
    const frame = encodeManifestFrame({ kind, sequence: this.#sequence, body }, place);
    this.#pendingEnd = this.#end + frame.length;
    return frame;
  }

  /** Not synced: the next edit's sync does that. If it cannot be written, the next start does without. */
  #seal(): void {
    const frame = this.#frame(FrameKind.seal, new Uint8Array(0));
    try {
      this.#file.writeSync(frame, this.#end);
      this.#end = this.#pendingEnd;
      this.#sequence++;
    } catch {
      this.#isUsable = false;
    }
  }

  #readEdits(bytes: Uint8Array): StoreEdit[] {
    const edits: StoreEdit[] = [];
    let isWhole = true;
    for (;;) {
      const frame = this.#next(bytes);
      if (frame === undefined) {
        if (!this.#passLostSeal(bytes)) break;
        isWhole = false;
        continue;
      }
      const isSeal = frame.kind === FrameKind.seal;
      if (!isSeal) edits.push(this.#decode(frame));
      const offset = this.#end;
      this.#unsealed = isSeal ? undefined : { frame: bytes.subarray(offset, frame.end), offset };
      this.#end = frame.end;
      this.#sequence++;
    }
    const place = { path: this.path, offset: this.#end };
    if (edits.length === 0) throw damaged(place, "it begins with no state");
    if (hasFrameBehind(bytes, { seed: this.#seed, offset: this.#end })) {
      throw damaged(place, "what was durable is not as it was written");
    }
    this.#isUsable = isWhole && this.#end === bytes.length;
    return edits;
  }

  /**
   * A seal is synced with the edit behind it: when that is under way in a crash, the seal may be lost and the
   * edit not. Nothing is lost with it, since what it says is certain once the next edit has been begun.
   */
  #passLostSeal(bytes: Uint8Array): boolean {
    const place = { seed: this.#seed, offset: this.#end + MANIFEST_FRAME_HEADER_BYTES };
    if (this.#unsealed === undefined || readFrameSequence(bytes, place) !== this.#sequence + 1) return false;
    this.#unsealed = undefined;
    this.#end = place.offset;
    this.#sequence++;
    return true;
  }

  #next(bytes: Uint8Array): ReadFrame | undefined {
    const frame = readManifestFrame(bytes, { seed: this.#seed, offset: this.#end });
    return frame?.sequence === this.#sequence ? frame : undefined;
  }

  #decode({ kind, body }: ReadFrame): StoreEdit {
    if (kind !== FrameKind.edit) throw newerFormat(this.path, `later than 1: it has frames of kind ${kind}`);
    try {
      return decodeEdit(body);
    } catch (error) {
      if (error instanceof UnknownEditError) {
        throw newerFormat(this.path, `later than 1: it has edits with tag ${error.tag}`);
      }
      if (!(error instanceof RangeError)) throw error;
      throw damaged({ path: this.path, offset: this.#end }, `an edit cannot be read: ${error.message}`);
    }
  }
}

/** `CURRENT` names another manifest from now on, also after a crash. */
async function switchCurrent({ fileSystem, directory }: ManifestPlace, header: FixedHeader): Promise<void> {
  const temporary = joinPath(directory, CURRENT_TMP_NAME);
  const file = await fileSystem.create(temporary);
  try {
    await file.write(encodeFixedHeader("PRKDBCUR", header), 0);
    await file.syncData();
  } finally {
    file.close();
  }
  await fileSystem.rename(temporary, joinPath(directory, CURRENT_NAME));
  await fileSystem.syncDirectory(directory);
}

/** A file and all its bytes; the caller closes it. */
async function readWhole(
  fileSystem: FileSystem,
  path: string,
): Promise<{ readonly file: StoredFile; readonly bytes: Uint8Array }> {
  let file: StoredFile | undefined;
  try {
    file = await fileSystem.open(path);
    const bytes = new Uint8Array(await file.size());
    return { file, bytes: bytes.subarray(0, file.readSync(bytes, 0)) };
  } catch (error) {
    file?.close();
    if (isNotFound(error)) throw damaged({ path, offset: 0 }, "the file is missing");
    throw readFailed(path, error);
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound;
}

/** What `CURRENT` and a manifest say of the same file. */
interface Claims {
  readonly named: FixedHeader;
  readonly header: FixedHeader;
  readonly path: string;
}

function checkSame({ named, header, path }: Claims): void {
  const isSame = named.number === header.number && named.salt[0] === header.salt[0] &&
    named.salt[1] === header.salt[1];
  if (!isSame) {
    throw damaged({ path, offset: 0 }, "it is the manifest of another store, or of another number");
  }
}
