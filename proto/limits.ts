/**
 * The limits of the contract, one constant each. Nodes refuse what lies outside with `invalid_argument` and a
 * message that names the limit; clients use the same constants to cut batches before they send them.
 *
 * @module
 */

/** Longest key in bytes; the shortest is 1 byte. */
export const KEY_BYTES_MAX = 4_096;

/** Largest value in bytes (1 MiB). */
export const VALUE_BYTES_MAX = 1_048_576;

/** Longest time to live of a key, in milliseconds (a hundred years). Any time plus this is a safe integer. */
export const TTL_MS_MAX = 3_155_760_000_000;

/** Largest sum of key and value bytes in one batch (8 MiB). */
export const BATCH_BYTES_MAX = 8_388_608;

/** Most mutations in one batch, and most keys in one `GetMany`. */
export const BATCH_MUTATIONS_MAX = 10_000;

/** Largest request body in bytes, after decompression (16 MiB). */
export const REQUEST_BYTES_MAX = 16_777_216;

/** Largest page of a scan in bytes (1 MiB). */
export const SCAN_PAGE_BYTES_MAX = 1_048_576;

/** Deadline of a call that names none, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Longest deadline a call may ask for, in milliseconds (five minutes). */
export const TIMEOUT_MS_MAX = 300_000;

/** Largest node id. */
export const NODE_ID_MAX: number = 2 ** 32 - 1;

/** Most partitions of a cluster; each is a Raft group with its own cost in memory and heartbeats. */
export const PARTITIONS_MAX = 4_096;

/** Most replicas of one partition; seven already survive three failures at the same time. */
export const REPLICAS_MAX = 15;

/** Largest sum of value bytes in the answer to one `GetMany` (64 MiB): what one answer may take of memory. */
export const RESPONSE_BYTES_MAX = 67_108_864;

/** Largest part of a file or a description in a stream of a backup (1 MiB). */
export const BACKUP_PART_BYTES_MAX = 1_048_576;

/** Most identities of files that a reader of backups may name as held. */
export const BACKUP_HELD_MAX = 500_000;

/** Bytes of the identity of a file of a backup. */
export const BACKUP_IDENTITY_BYTES = 16;
