/**
 * Looking at states whose disks may not let them be read at the moment.
 *
 * @module
 */

import { StateReadError } from "../../../server/kv/mod.ts";

/** Looks at a state, unless its disk does not let it be read at the moment; what it shows must be right. */
export function unlessUnreadable(look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!(error instanceof StateReadError) || error.isDamaged) throw error;
  }
}
