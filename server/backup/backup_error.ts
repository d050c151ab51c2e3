/**
 * What is wrong with a backup.
 *
 * @module
 */

/** A backup cannot be made, read or restored; the message says why, and names the file. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}
