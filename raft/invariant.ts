/**
 * How code states what must hold. On hot paths the caller writes the condition out and calls `violated` only
 * when it fails, so that no message is built while all is well.
 *
 * @module
 */

import { InvariantViolation } from "./error.ts";

/** The values that contradict each other, for the message. */
export type Witnesses = Readonly<Record<string, number | string | boolean | undefined>>;

/**
 * Ends the replica.
 *
 * @throws {InvariantViolation} always; the message names what was wanted and what is
 */
export function violated(wanted: string, witnesses: Witnesses): never {
  const values = Object.entries(witnesses).map(([name, value]) => `${name} is ${value}`);
  throw new InvariantViolation(`Invariant violated: ${wanted}; ${values.join(", ")}`);
}

/**
 * States that `condition` holds.
 *
 * @throws {InvariantViolation} when it does not
 */
export function invariant(condition: boolean, wanted: string): asserts condition {
  if (!condition) throw new InvariantViolation(`Invariant violated: ${wanted}`);
}

/**
 * Ends a `switch` over a union, so that a forgotten case does not compile.
 *
 * @throws {InvariantViolation} when a value of no known kind arrives all the same
 */
export function unreachable(value: never): never {
  throw new InvariantViolation(`Invariant violated: no such case: ${JSON.stringify(value)}`);
}
