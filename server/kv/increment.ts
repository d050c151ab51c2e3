/**
 * What the increments of one command come to, before anything of it is applied: one that fails keeps all of
 * it from taking effect. Mutations are gone through in their order, so that an increment sees what those
 * before it will have done.
 *
 * @module
 */

import { byteString } from "./byte_string.ts";
import type { FailedIncrement, NewNumber } from "./outcome.ts";
import type { Mutation } from "./types.ts";
import { readWholeNumber, sumOf } from "./whole_number.ts";

/** What a key that does not exist counts as. */
const NOTHING = "0";

/** The value of a key before the command, `undefined` for no such key. */
export type ValueBefore = (key: Uint8Array) => Uint8Array | undefined;

/** By position, ascending. */
export interface Increments {
  /** Those that can be done. */
  readonly numbers: readonly NewNumber[];
  readonly failures: readonly FailedIncrement[];
}

/** What the increments among `mutations` come to. One that fails counts as not done for those behind it. */
export function planIncrements(mutations: readonly Mutation[], valueBefore: ValueBefore): Increments {
  const numbers: NewNumber[] = [];
  const failures: FailedIncrement[] = [];
  const changed = new Map<string, string | undefined>();
  mutations.forEach((mutation, position) => {
    const name = byteString(mutation.key);
    // It only removes what is not there for anybody.
    if (mutation.kind === "expire") return;
    if (mutation.kind !== "increment") return void changed.set(name, numberAfter(mutation));
    const before = changed.has(name) ? changed.get(name) : numberIn(valueBefore(mutation.key));
    const number = before === undefined ? undefined : sumOf(before, mutation.by);
    if (number === undefined) return void failures.push({ position, isOutOfRange: before !== undefined });
    numbers.push({ position, number });
    changed.set(name, number);
  });
  return { numbers, failures };
}

/** The number that the key holds then, `undefined` for something else. */
function numberAfter(
  mutation: Exclude<Mutation, { readonly kind: "increment" | "expire" }>,
): string | undefined {
  return mutation.kind === "put" ? readWholeNumber(mutation.value) : NOTHING;
}

function numberIn(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? NOTHING : readWholeNumber(value);
}
