/**
 * Backups of whole clusters: how they are made, kept, verified and restored. The format is in `FORMAT.md`.
 *
 * ```
 * cluster ─▶ source (port) ─▶ coming_partition ─▶ incoming_file ─▶ tables/
 *                                                  backup ─▶ manifest
 * verify  ◀─ manifest, tables
 * restore ◀─ rows ◀─ tables ─▶ target (port) ─▶ another cluster
 * restore_data ◀─ tables ─▶ data directory of the first node of another cluster
 * ```
 *
 * **What it owns.** A directory of backups, locked while one is being made. It reaches clusters only through
 * ports, which the command line fills with the client.
 *
 * **Read in this order.** `FORMAT.md`. `manifest.ts` and `directory.ts`: what is there. `source.ts`: where it
 * comes from. `held_files.ts`, `incoming_file.ts`, `coming_partition.ts`, `backup.ts`: how it comes.
 * `whole_file.ts`, `verify.ts`: whether it is sound. `rows.ts`, `restore.ts`: how it goes back
 * key by key; `restore_data.ts`: as it is.
 *
 * **What it never does.** It changes no file that is there, and removes none but those that were never
 * finished. It believes nothing that comes: parts by their checksums, tables by reading them again.
 *
 * **Invariants**
 *
 * - What a manifest names was whole and durable before the manifest was.
 * - All that was acknowledged before a backup was begun is in it.
 * - A run that is cut short anywhere leaves earlier backups as they were, and can be repeated.
 *
 * @module
 */

export { BackupError } from "./backup_error.ts";
export { type BackupOptions, type BackupProgress, type MadeBackup, makeBackup } from "./backup.ts";
export type { BackedUpRow } from "./rows.ts";
export {
  restoreData,
  type RestoreDataOptions,
  type RestoreDataProgress,
  type RestoredData,
} from "./restore_data.ts";
export {
  restoreBackup,
  type RestoredBackup,
  type RestoreOptions,
  type RestoreProgress,
  type RestoreTarget,
} from "./restore.ts";
export type { BackupSource, SourcePart } from "./source.ts";
export { type VerifiedBackups, verifyBackups, type VerifyOptions, type VerifyProgress } from "./verify.ts";
