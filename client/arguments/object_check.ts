/**
 * What callers hand in as an object: refused when it is none, or holds a name that is not known.
 *
 * @module
 */

/** The names that an object may hold. */
export type OptionNames = ReadonlySet<string>;

/** What an object may hold, and what errors call it. */
export interface KnownNames {
  readonly known: OptionNames;
  readonly what: string;
}

/**
 * Refuses what is no object, or holds a name that is not known.
 *
 * @throws {TypeError} which names it
 */
export function checkNames(value: unknown, { known, what }: KnownNames): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot use ${what}: it must be an object, it is ${describeKind(value)}`);
  }
  for (const name in value) {
    if (known.has(name)) continue;
    throw new TypeError(`Cannot use ${what}: "${name}" is none of ${[...known].join(", ")}`);
  }
}

/** What `value` is, with its article, for errors. */
export function describeKind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
