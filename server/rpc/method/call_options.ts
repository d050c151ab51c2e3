/**
 * How long a call may take and whether it may be forwarded.
 *
 * @module
 */

import { DEFAULT_TIMEOUT_MS, TIMEOUT_MS_MAX } from "../../../proto/mod.ts";
import { DomainError, type NodeCallOptions } from "../../api/mod.ts";

const DEFAULT_DIRECT: NodeCallOptions = { timeoutMs: DEFAULT_TIMEOUT_MS, direct: true };
const DEFAULT_FORWARDED: NodeCallOptions = { timeoutMs: DEFAULT_TIMEOUT_MS, direct: false };

/**
 * The options of a call.
 *
 * @param timeoutMs what the caller asked for, from 0; longer than five minutes counts as five minutes
 * @throws {DomainError} `deadline` when no time is left
 */
export function callOptions(timeoutMs: number | undefined, direct: boolean): NodeCallOptions {
  if (timeoutMs === undefined) return direct ? DEFAULT_DIRECT : DEFAULT_FORWARDED;
  if (timeoutMs <= 0) {
    throw new DomainError(
      { kind: "deadline" },
      "Cannot begin the call: its deadline has passed already: allow it more time",
    );
  }
  return { timeoutMs: Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX), direct };
}
