/**
 * Looking at states whose disks may not let them be read at the moment, or hold something else than what was
 * written.
 *
 * @module
 */

import type { KvReplica } from "../../../server/calls/hosted_replica.ts";
import { stateHash } from "../../support/state_hash.ts";
import { StateReadError } from "../../../server/kv/mod.ts";
import { StorageError } from "../../../server/storage/mod.ts";

/** Looks at a state, unless it cannot be read at the moment; what it shows must be right. */
export function unlessUnreadable(look: () => void): void {
  try {
    look();
  } catch (error) {
    const isClosed = error instanceof StorageError && error.code === "STORAGE_STATE";
    if (!(error instanceof StateReadError) && !isClosed) throw error;
  }
}

/** Whether all of a state can be read; damage that is met is made whole from then on. */
export function isReadable({ machine, stallReason }: KvReplica): boolean {
  if (stallReason !== undefined) return false;
  let isWhole = false;
  unlessUnreadable(() => {
    stateHash(machine);
    isWhole = true;
  });
  return isWhole;
}
