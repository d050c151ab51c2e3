/**
 * Door of the write-ahead log.
 *
 * @module
 */

export { DenoFileSystem } from "./deno_file_system.ts";
export { WalError, type WalErrorCode, type WalErrorPlace, WalInvariantViolation } from "./error.ts";
export { type FileLock, type FileSystem, joinPath, type StoredFile } from "./file_system.ts";
export { PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from "./layout.ts";
export { checkOptions, type SyncPolicy, type WalOptions } from "./options.ts";
export { comparePositions, type RecoveredRecord, type WalPosition, type WalRecord } from "./record.ts";
export type { Damage } from "./recovery.ts";
export type { RecoveryReport } from "./start.ts";
export { SYSTEM_TIMER, type WalTimer } from "./timer.ts";
export { Wal, type WalStats } from "./wal.ts";
export { crc32c } from "./wasm_module.ts";
