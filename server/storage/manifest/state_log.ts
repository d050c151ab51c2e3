/**
 * The state of a store, in memory and durable: what all edits so far amount to. It decides when an edit is
 * added to the manifest and when a new manifest takes its place, and hands out file numbers.
 *
 * A file number is given once, even across crashes: only numbers that a durable edit has reserved are handed
 * out, and what is left of a reservation is passed over at the next start. Otherwise a table could find
 * blocks of an earlier file of its own identity where its own were lost.
 *
 * @module
 */

import { joinPath } from "../../../wal-wasm/mod.ts";
import type { StoreSalt } from "../table/mod.ts";
import type { LogPoint, StoreEdit, TableRecord } from "./edit.ts";
import { numberedName } from "./file_names.ts";
import { type ManifestPlace, StoreManifest } from "./manifest.ts";

/**
 * File numbers that are reserved at once. New manifests take one without asking: a disk that fails for long
 * may use them up, and then it is left to `passOver` that none is given twice.
 */
const RESERVED = 64;
/** A manifest below this size is not worth a new one. */
const REWRITE_BYTES_MIN = 64 * 1024;
/** A manifest is rewritten when it has grown to so many times its size when it was new. */
const REWRITE_GROWTH = 2;

/** What a store consists of. */
export interface StoreState {
  readonly point: LogPoint;
  /** By file number. */
  readonly tables: ReadonlyMap<number, TableRecord>;
}

/** Before anything was applied. */
export const EMPTY_POINT: LogPoint = {
  index: 0,
  term: 0,
  membership: new Uint8Array(0),
  membershipIndex: 0,
  logFloor: { segment: 0, offset: 0 },
};

const EMPTY_STATE: StoreState = { point: EMPTY_POINT, tables: new Map() };
/** The only one there may be without a `CURRENT`, since no table is made before one is in force. */
export const FIRST_MANIFEST = 1;

/** What a store is told apart by. */
export interface NewState extends ManifestPlace {
  readonly salt: StoreSalt;
  readonly group: number;
}

/** A state as it lies on the disk. */
export interface RestingState extends StoreState {
  readonly salt: StoreSalt;
  readonly group: number;
  /** Path of the manifest in force, and its size. */
  readonly manifestPath: string;
  readonly manifestBytes: number;
}

/** What a log of states begins with. */
interface Beginning {
  readonly manifest: StoreManifest;
  readonly state: StoreState;
  readonly nextFile: number;
  readonly reservedEnd: number;
}

/** See the module comment. One commit at a time; the caller sees to that. */
export class StateLog {
  readonly #place: ManifestPlace;
  #manifest: StoreManifest;
  #state: StoreState;
  #nextFile: number;
  /** Numbers below it may be handed out. */
  #reservedEnd: number;
  /** Size of the manifest when it was new. */
  #bytesWhenNew: number;
  /** Manifests that are not in force any more, or never were, once the next one is. */
  #former: string[] = [];
  #obsolete: string[] = [];

  private constructor(place: ManifestPlace, { manifest, state, nextFile, reservedEnd }: Beginning) {
    this.#place = place;
    this.#manifest = manifest;
    this.#state = state;
    this.#nextFile = nextFile;
    this.#reservedEnd = reservedEnd;
    this.#bytesWhenNew = manifest.bytes;
  }

  /**
   * Makes the state of a new store, durable.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`
   */
  static async create(options: NewState): Promise<StateLog> {
    const nextFile = FIRST_MANIFEST + 1;
    const reservedEnd = nextFile + RESERVED;
    const whole: StoreEdit = { point: EMPTY_POINT, nextFile: reservedEnd, gone: [], tables: [] };
    const manifest = await StoreManifest.create({ ...options, number: FIRST_MANIFEST, state: whole });
    return new StateLog(options, { manifest, state: EMPTY_STATE, nextFile, reservedEnd });
  }

  /**
   * Reads the state of a store that is there; what it says is durable.
   *
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`; or
   *   `STORAGE_WRITE_FAILED` when the last edit cannot be made durable for certain
   */
  static async open(place: ManifestPlace): Promise<StateLog> {
    const { manifest, edits } = await StoreManifest.read(place);
    await settled(manifest, place);
    let state = EMPTY_STATE;
    let nextFile = manifest.number + 1;
    for (const edit of edits) {
      state = afterEdit(state, edit);
      nextFile = Math.max(nextFile, edit.nextFile ?? 0);
    }
    return new StateLog(place, { manifest, state, nextFile, reservedEnd: nextFile });
  }

  /**
   * Reads the state of a store and changes nothing: the last change need not be durable.
   *
   * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_NEWER_FORMAT`, `STORAGE_READ_FAILED`
   */
  static async look(place: ManifestPlace): Promise<RestingState> {
    const { manifest, edits } = await StoreManifest.read(place);
    const { bytes: manifestBytes, group, path: manifestPath, salt } = manifest;
    manifest.close();
    return { ...edits.reduce(afterEdit, EMPTY_STATE), salt, group, manifestPath, manifestBytes };
  }

  get state(): StoreState {
    return this.#state;
  }

  get salt(): StoreSalt {
    return this.#manifest.salt;
  }

  get group(): number {
    return this.#manifest.group;
  }

  /** Of the manifest in force. */
  get manifestNumber(): number {
    return this.#manifest.number;
  }

  get manifestBytes(): number {
    return this.#manifest.bytes;
  }

  /** Whether a number can be taken without a commit before. */
  get hasNumbers(): boolean {
    return this.#nextFile < this.#reservedEnd;
  }

  /** A file number that no file has had; there must be one (`hasNumbers`). */
  takeNumber(): number {
    if (!this.hasNumbers) throw new RangeError("Cannot take a file number as none is reserved");
    return this.#nextFile++;
  }

  /** Takes note of a number that was found in use; what is reserved stays so. */
  passOver(number: number): void {
    this.#nextFile = Math.max(this.#nextFile, number + 1);
  }

  /**
   * Makes a change durable; `state` has it from then on.
   *
   * @throws {StorageError} `STORAGE_WRITE_FAILED`: the change may be there after a restart, or not. Whatever
   *   file either state names must stay until another commit has succeeded.
   */
  async commit(edit: StoreEdit): Promise<void> {
    const reservedEnd = this.#nextFile + RESERVED;
    const state = afterEdit(this.#state, edit);
    if (this.#manifest.isUsable && !this.#isLarge) {
      await this.#manifest.append({ ...edit, nextFile: reservedEnd });
    } else await this.#begin(state, reservedEnd);
    this.#reservedEnd = reservedEnd;
    this.#state = state;
  }

  /** Paths of manifests that nothing needs any more; each is named once. */
  takeObsolete(): string[] {
    return this.#obsolete.splice(0);
  }

  close(): void {
    this.#manifest.close();
  }

  get #isLarge(): boolean {
    return this.#manifest.bytes >= Math.max(REWRITE_BYTES_MIN, REWRITE_GROWTH * this.#bytesWhenNew);
  }

  /** A new manifest, which says everything. */
  async #begin(state: StoreState, nextFile: number): Promise<void> {
    const number = this.#nextFile++;
    const { salt, group } = this.#manifest;
    const whole: StoreEdit = {
      point: state.point,
      nextFile: nextFile + 1,
      gone: [],
      tables: [...state.tables.values()],
    };
    this.#former.push(joinPath(this.#place.directory, numberedName(number, "manifest")));
    const manifest = await StoreManifest.create({ ...this.#place, salt, group, number, state: whole });
    this.#former.pop();
    this.#obsolete.push(...this.#former.splice(0), this.#manifest.path);
    this.#manifest.close();
    this.#manifest = manifest;
    this.#bytesWhenNew = manifest.bytes;
  }
}

async function settled(manifest: StoreManifest, place: ManifestPlace): Promise<void> {
  try {
    await manifest.settle(place);
  } catch (error) {
    manifest.close();
    throw error;
  }
}

/** What an edit makes of a state. */
function afterEdit(state: StoreState, edit: StoreEdit): StoreState {
  const tables = new Map(state.tables);
  for (const fileNumber of edit.gone) tables.delete(fileNumber);
  for (const table of edit.tables) tables.set(table.fileNumber, table);
  return { point: edit.point ?? state.point, tables };
}
