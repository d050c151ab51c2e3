/**
 * The write-ahead log of a node: bytes in, durable bytes out. It carries records of all groups of the node
 * and opens none of them: what a term or an entry is, it does not know. One write and one sync make the
 * records of a whole turn durable.
 *
 * ```
 * records ─▶ encoder (WebAssembly) ─▶ frame ─▶ log_writer ─▶ segment file ─▶ group_commit: one sync for all
 *                                                  ▲
 *                                            segment_pool: the next segment, made ahead
 * ```
 *
 * `FORMAT.md` is the format, byte by byte, and comes first. Then read `record` and `options` (what goes in),
 * `layout` with `assembly/` (where bytes lie, and the module that makes frames), `encoder`, `log_writer`,
 * `segment_pool`, `group_commit` and `retention` (the way down), `segment_files`, `segment_reader`,
 * `recovery`, `repair` and `start` (the way back after a restart), and `wal`, which puts them together.
 * `inspection` with `read_only_file_system` is for those who only look.
 *
 * The room owns the directory it is given, locked while it is open, and every file in it. It never reads
 * while it runs: the log is read once, at the start. It never repeats a write or a sync that failed: after
 * the first failure every call rejects, and the next start decides what is on the disk. The world enters by
 * three ports: `FileSystem`, `WalTimer` and a random word.
 *
 * @module
 */

export { DenoFileSystem } from "./deno_file_system.ts";
export { WalError, type WalErrorCode, type WalErrorPlace, WalInvariantViolation } from "./error.ts";
export { type FileLock, type FileSystem, joinPath, type StoredFile } from "./file_system.ts";
export { type InspectedLog, type InspectedSegment, inspectLog } from "./inspection.ts";
export { PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from "./layout.ts";
export { checkOptions, type SyncPolicy, type WalOptions } from "./options.ts";
export { type RecoveredRecord, type WalPosition, type WalRecord } from "./record.ts";
export type { Damage } from "./recovery.ts";
export { ReadOnlyFileSystem } from "./read_only_file_system.ts";
export type { RecoveryReport } from "./start.ts";
export { SYSTEM_TIMER, type WalTimer } from "./timer.ts";
export { Wal, type WalStats } from "./wal.ts";
export { crc32c } from "./wasm_module.ts";
