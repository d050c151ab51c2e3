/**
 * How a memtable's records are laid out: what it, its order and its cursors know of each other.
 *
 * @module
 */

/** Fields of a key record: 32 bits each. The last one is 1 if the key was deleted before it was put. */
export const KeyField = {
  hash: 0,
  prefix: 1,
  chunk: 2,
  start: 3,
  length: 4,
  newest: 5,
  beganDeleted: 6,
} as const;
/** Numbers in a key record. */
export const KEY_STRIDE = 7;
/** Fields of a version record; the length of a tombstone's value is −1, there is no older one at −1. */
export const VersionField = { chunk: 0, start: 1, length: 2, older: 3, low: 4, high: 5 } as const;
/** Numbers in a version record. */
export const VERSION_STRIDE = 6;

/** The buffers of a memtable; they are replaced by larger ones as it grows. */
export interface MemtableRecords {
  readonly keyCount: number;
  /** Key records, one behind the other. */
  readonly keys: Int32Array;
  /** Version records. */
  readonly versions: Int32Array;
  /** Bytes of keys and values. */
  readonly chunks: readonly Uint8Array[];
}
