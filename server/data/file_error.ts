/**
 * Errors of the operating system about files of a data directory, in words that name the place and what to
 * do. Errors that the rooms throw themselves have such words already.
 *
 * @module
 */

import { DataDirectoryError } from "./data_directory.ts";

/** What the runtime says: `No such file or directory (os error 2): mkdir '/proc/x'`. */
const FILE_ERROR = /^(.*?)(?: \(os error \d+\))?: (\w+) '(.*)'/s;

/** What is wrong, and what to do, by the system's name for the error. */
const WORDS: Readonly<Record<string, readonly [wrong: string, next: string]>> = {
  ENOENT: ["it is missing and cannot be made there", "choose a place on a disk"],
  ENOTDIR: ["a part of that path is no directory", "choose another place"],
  EISDIR: ["there is a directory in place of a file", "move it away, or choose another place"],
  EACCES: [
    "this user has no permission there",
    "give it read and write access, or choose another place",
  ],
  EPERM: ["that is not permitted there", "choose a place that may be written to"],
  EROFS: ["its file system is read-only", "mount it for writing, or choose another place"],
  ENOSPC: ["its disk is full", "free some space and start again"],
  EDQUOT: ["this user's share of the disk is used up", "free some space and start again"],
  EMFILE: ["this process may open no more files", "raise its limit of open files (ulimit -n)"],
  ENFILE: ["this machine can open no more files", "raise its limit of open files"],
  EIO: ["its disk does not work", "look into the system's log, and do not delete the directory"],
};
const OTHER_NEXT = "choose a place on a local disk that may be written to";

/** `error` in our own words if it is the system's about a file; `undefined` if it is anything else. */
export function explainFileError(error: unknown, directory: string): DataDirectoryError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof Deno.errors.NotCapable) return explainRefusal(error, directory);
  const found = FILE_ERROR.exec(error.message);
  if (found === null) return undefined;
  const [, reason = "", action, path] = found;
  const [wrong, next] = WORDS[codeOf(error)] ?? ["the system refuses that", OTHER_NEXT];
  return new DataDirectoryError(
    `Cannot use data directory "${directory}": ${action} of "${path}" failed, ${wrong} (${reason}); ${next}`,
    { cause: error },
  );
}

/** Places like `/proc`, which hold no files, are closed even to a program that may write everywhere. */
function explainRefusal(error: Error, directory: string): DataDirectoryError | undefined {
  const path = /access to "(.*?)"/s.exec(error.message)?.[1];
  if (path === undefined) return undefined;
  return new DataDirectoryError(
    `Cannot use data directory "${directory}": the runtime does not let this program use "${path}", as it was ` +
      "started without access to it, or as it belongs to the system; choose a place on a disk",
    { cause: error },
  );
}

function codeOf(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === "string" ? error.code : "";
}
