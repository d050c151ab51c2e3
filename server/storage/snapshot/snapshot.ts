/**
 * A snapshot: the tables of one moment and the point they belong to, as others see them. It can be described
 * in a message, and its files be read as bytes, by whoever wants to have the same state.
 *
 * What is read here is not checked: the receiver verifies every byte, and has to anyway.
 *
 * @module
 */

import { crc32c } from "../../../wal-wasm/mod.ts";
import {
  decodeEdit,
  encodeEdit,
  LEVELS_MAX,
  type LogPoint,
  type StoreEdit,
  type TableRecord,
  UnknownEditError,
} from "../manifest/mod.ts";
import type { HeldTable, TableSet } from "../reading/mod.ts";
import { compareKeys, StorageError, STORE_KEY_BYTES_MAX } from "../table/mod.ts";

/** A state without its bytes. */
export interface SnapshotDescription {
  readonly point: LogPoint;
  /** With the file numbers of the store that has them. */
  readonly tables: readonly TableRecord[];
}

/** A state that stays readable until it is released. */
export interface StoreSnapshot extends SnapshotDescription {
  /**
   * Fills `into` with the bytes of a file from `offset` on, past the cache.
   *
   * @throws {RangeError} for a file or a place that is not part of the snapshot
   * @throws {StorageError} `STORAGE_READ_FAILED`; `STORAGE_DAMAGED` when the file has become shorter;
   *   `STORAGE_STATE` after the release
   */
  read(fileNumber: number, offset: number, into: Uint8Array): void;
  /** Gives it up; again does nothing. */
  release(): void;
}

/** Version of the format of descriptions. */
const DESCRIPTION_VERSION = 1;
const CRC_BYTES = 4;
/** Files are smaller. */
const FILE_BYTES_END = 2 ** 32;

/** See {@linkcode StoreSnapshot}: the tables of a set. */
export class TableSnapshot implements StoreSnapshot {
  readonly point: LogPoint;
  readonly tables: readonly TableRecord[];
  readonly #held: ReadonlyMap<number, HeldTable>;
  #set: TableSet | undefined;

  constructor(set: TableSet) {
    set.hold();
    this.#set = set;
    this.point = set.state.point;
    this.tables = [...set.state.tables.values()];
    this.#held = new Map(set.tables.map((held) => [held.record.fileNumber, held]));
  }

  read(fileNumber: number, offset: number, into: Uint8Array): void {
    if (this.#set === undefined) {
      throw new StorageError("STORAGE_STATE", "Cannot read a snapshot as it was released");
    }
    const held = this.#held.get(fileNumber);
    const end = offset + into.length;
    if (held === undefined || !(offset >= 0 && end <= held.record.summary.fileBytes)) {
      throw new RangeError(
        `Cannot read file ${fileNumber} from ${offset} to ${end}: it is not in the snapshot`,
      );
    }
    held.table.readBytes(into, offset);
  }

  release(): void {
    this.#set?.release();
    this.#set = undefined;
  }
}

/** The bytes of a description; see `../FORMAT.md`, "Snapshot description". */
export function encodeSnapshotDescription({ point, tables }: SnapshotDescription): Uint8Array<ArrayBuffer> {
  const body = encodeEdit({ point, gone: [], tables });
  const bytes = new Uint8Array(1 + body.length + CRC_BYTES);
  bytes[0] = DESCRIPTION_VERSION;
  bytes.set(body, 1);
  const end = 1 + body.length;
  new DataView(bytes.buffer).setUint32(end, crc32c(bytes.subarray(0, end)), true);
  return bytes;
}

/**
 * Reads a description; copies what it keeps.
 *
 * @throws {RangeError} when the bytes are none, or what they say cannot be a state
 */
export function decodeSnapshotDescription(bytes: Uint8Array): SnapshotDescription {
  const end = bytes.length - CRC_BYTES;
  if (end < 1) refuse(`it has ${bytes.length} bytes`);
  const written = new DataView(bytes.buffer, bytes.byteOffset + end, CRC_BYTES).getUint32(0, true);
  if (crc32c(bytes.subarray(0, end)) !== written) refuse("its checksum is wrong");
  if (bytes[0] !== DESCRIPTION_VERSION) refuse(`its format is ${bytes[0]}, and only 1 is known`);
  const { point, nextFile, gone, tables } = decodedEdit(bytes.subarray(1, end));
  if (point === undefined || nextFile !== undefined || gone.length > 0) refuse("it is another edit");
  const description: SnapshotDescription = { point: point!, tables };
  checkSnapshotDescription(description);
  return description;
}

/**
 * Checks that a store can be what a description says.
 *
 * @throws {RangeError} when it cannot
 */
export function checkSnapshotDescription({ point, tables }: SnapshotDescription): void {
  for (const table of tables) checkTable(table, point);
  const names = tables.map(({ summary: { identity } }) => `${identity.salt.join("/")}/${identity.number}`);
  if (new Set(names).size < names.length) refuse("two tables are the same");
  if (new Set(tables.map(({ fileNumber }) => fileNumber)).size < tables.length) {
    refuse("two tables have the same number");
  }
  for (let level = 0; level < LEVELS_MAX; level++) checkLevel(tables.filter((each) => each.level === level));
}

function checkTable({ level, fileNumber, summary }: TableRecord, point: LogPoint): void {
  const { entries, tombstones, lowestVersion, highestVersion, smallestKey, largestKey, fileBytes } = summary;
  const isSound = level >= 0 && level < LEVELS_MAX && fileBytes > 0 && fileBytes < FILE_BYTES_END &&
    entries > 0 && tombstones <= entries && lowestVersion > 0 && lowestVersion <= highestVersion &&
    highestVersion <= point.index && isKey(smallestKey) && isKey(largestKey) &&
    compareKeys(smallestKey, largestKey) <= 0;
  if (!isSound) refuse(`what it says of table ${fileNumber} cannot be`);
}

function isKey(key: Uint8Array): boolean {
  return key.length > 0 && key.length <= STORE_KEY_BYTES_MAX;
}

/** In level 0 no version is in two tables, in others no key. */
function checkLevel(tables: readonly TableRecord[]): void {
  const isFlushed = tables[0]?.level === 0;
  const sorted = [...tables].sort(({ summary: left }, { summary: right }) =>
    isFlushed ? left.lowestVersion - right.lowestVersion : compareKeys(left.smallestKey, right.smallestKey)
  );
  for (let position = 1; position < sorted.length; position++) {
    const [before, after] = [sorted[position - 1]!.summary, sorted[position]!.summary];
    const isBehind = isFlushed
      ? after.lowestVersion > before.highestVersion
      : compareKeys(after.smallestKey, before.largestKey) > 0;
    if (!isBehind) refuse("tables of a level overlap");
  }
}

function decodedEdit(body: Uint8Array): StoreEdit {
  try {
    return decodeEdit(body);
  } catch (error) {
    if (error instanceof UnknownEditError) return refuse(`it has a tag ${error.tag}`);
    throw error;
  }
}

function refuse(why: string): never {
  throw new RangeError(`Cannot use a description of a snapshot: ${why}`);
}
