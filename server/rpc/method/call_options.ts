/**
 * How long a call may take and whether it may be forwarded.
 *
 * @module
 */

import { DEFAULT_TIMEOUT_MS, TIMEOUT_MS_MAX } from "../../../proto/mod.ts";
import { type CallerPresence, DomainError, type NodeCallOptions } from "../../api/mod.ts";

/** What a caller says of its call. */
export interface CallWishes {
  /** From 0; longer than five minutes counts as five minutes. Ten seconds unless given. */
  readonly timeoutMs: number | undefined;
  readonly direct: boolean;
  readonly caller?: CallerPresence | undefined;
}

/**
 * The options of a call.
 *
 * @throws {DomainError} `deadline` when no time is left
 */
export function callOptions({ timeoutMs = DEFAULT_TIMEOUT_MS, direct, caller }: CallWishes): NodeCallOptions {
  if (timeoutMs <= 0) {
    throw new DomainError(
      { kind: "deadline" },
      "Cannot begin the call: its deadline has passed already: allow it more time",
    );
  }
  return { timeoutMs: Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX), direct, caller };
}
