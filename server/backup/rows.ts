/**
 * The keys and values in a backup of a partition, with what remains of their times to live. Sessions are
 * passed over.
 *
 * @module
 */

import { EXPIRY_ROWS, expiryOf, TIME_ROW, timeIn, USER_ROWS } from "../kv/mod.ts";
import { openRestingRows, type RowCursor, type TableRecord } from "../storage/mod.ts";
import type { BackupDirectory } from "./directory.ts";
import type { BackedUpPartition } from "./manifest.ts";

/** A key and what it held. */
export interface BackedUpRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Milliseconds that the key had left, 1 or more; absent if it never expires. */
  readonly ttlMs?: number;
}

/**
 * All keys that were there at the moment of the backup, in order.
 *
 * @throws {StorageError} `STORAGE_DAMAGED`, `STORAGE_READ_FAILED` when a table cannot be read
 */
export async function* backedUpRows(
  { description }: Pick<BackedUpPartition, "description">,
  directory: Pick<BackupDirectory, "fileSystem" | "pathOfRecord">,
): AsyncGenerator<BackedUpRow, void> {
  const { fileSystem } = directory;
  const place = { fileSystem, pathOf: (record: TableRecord) => directory.pathOfRecord(record) };
  const users = await openRestingRows(description, place);
  const times = await openRestingRows(description, place).catch((error) => {
    users.close();
    throw error;
  });
  try {
    yield* joinedRows(users, new ExpiryWalk(times));
  } finally {
    users.close();
    times.close();
  }
}

/** Both are in the order of the users' keys, so that neither has to be kept. */
function* joinedRows(users: RowCursor, expiry: ExpiryWalk): Generator<BackedUpRow, void> {
  for (users.seek(USER_ROWS); users.isValid; users.next()) {
    const { key, value } = rowAt(users);
    if (!beginsWith(key, USER_ROWS)) return;
    const userKey = key.subarray(USER_ROWS.length);
    const ttlMs = expiry.remainingMs(userKey);
    // It had expired, and was only not removed yet.
    if (ttlMs !== undefined && ttlMs <= 0) continue;
    yield { key: userKey, value, ...(ttlMs === undefined ? {} : { ttlMs }) };
  }
}

/** The times at which keys expire, asked for in the order of the keys. */
class ExpiryWalk {
  readonly #rows: RowCursor;
  readonly #nowMs: number;

  constructor(rows: RowCursor) {
    this.#rows = rows;
    rows.seek(TIME_ROW);
    const row = rows.isValid ? rowAt(rows) : undefined;
    const isTime = row !== undefined && row.key.length === TIME_ROW.length && beginsWith(row.key, TIME_ROW);
    this.#nowMs = isTime ? timeIn(row.value) : 0;
    rows.seek(EXPIRY_ROWS);
  }

  /** What a key had left, `undefined` if it never expires; 0 or less when its time had come. */
  remainingMs(key: Uint8Array): number | undefined {
    for (; this.#rows.isValid; this.#rows.next()) {
      const row = rowAt(this.#rows);
      if (!beginsWith(row.key, EXPIRY_ROWS)) return undefined;
      const { expiresAtMs, key: expiring } = expiryOf(row);
      const order = compareBytes(expiring, key);
      if (order > 0) return undefined;
      if (order === 0) return expiresAtMs - this.#nowMs;
    }
    return undefined;
  }
}

function rowAt({ entry }: RowCursor): { readonly key: Uint8Array; readonly value: Uint8Array } {
  const { key, keyEnd, keyStart, value, valueEnd, valueStart } = entry;
  return { key: key.slice(keyStart, keyEnd), value: value.slice(valueStart, valueEnd) };
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, at) => key[at] === byte);
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at++) {
    const difference = left[at]! - right[at]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
