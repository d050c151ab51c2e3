/**
 * How a test is written: uvu's suites with a time limit on every test. A test that hangs fails by name
 * instead of stopping the run.
 *
 * ```ts
 * import { assert, suite } from "../tests/harness.ts";
 *
 * const test = suite("quorum");
 * test("three of five is a majority", () => assert.is(majority(5), 3));
 * test.run();
 * ```
 *
 * @module
 */

import { suite as uvuSuite } from "uvu";
import * as assert from "uvu/assert";

export { assert };

/** Limit of a test that names none; generous, for a machine that runs other things beside. */
const DEFAULT_LIMIT_MS = 20_000;

/** The body of a test; it has failed when it throws or rejects. */
export type TestBody = () => void | Promise<void>;

/** A named list of tests; `run` queues it for the runner. */
export interface Suite {
  /** Adds a test that must end within `limitMs` milliseconds. */
  (name: string, body: TestBody, options?: { readonly limitMs?: number }): void;
  /** Runs before each test. */
  readonly beforeEach: (hook: TestBody) => void;
  /** Runs after each test, also after one that failed. */
  readonly afterEach: (hook: TestBody) => void;
  /** Runs once after all tests. */
  readonly after: (hook: TestBody) => void;
  readonly run: () => void;
}

/** Opens a suite named `name`. */
export function suite(name: string): Suite {
  const inner = uvuSuite(name);
  const add = (title: string, body: TestBody, options?: { readonly limitMs?: number }) => {
    inner(title, () => within(body, options?.limitMs ?? DEFAULT_LIMIT_MS, `${name}: ${title}`));
  };
  return Object.assign(add, {
    beforeEach: (hook: TestBody) => inner.before.each(hook),
    afterEach: (hook: TestBody) => inner.after.each(hook),
    after: (hook: TestBody) => inner.after(hook),
    run: () => inner.run(),
  });
}

async function within(body: TestBody, limitMs: number, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([body(), limit]);
  } catch (error) {
    throw printable(error);
  } finally {
    clearTimeout(timer);
  }
}

/** uvu prints `details` as text and gives up, without a word, on errors where it is anything else. */
function printable(error: unknown): unknown {
  if (!(error instanceof Error) || typeof Reflect.get(error, "details") !== "object") return error;
  return Object.assign(new Error(error.message, { cause: error }), { stack: error.stack });
}

/** Asserts that `body` throws or rejects with an error for which `matches` holds, and returns that error. */
export async function assertRejects(
  body: () => unknown,
  matches: (error: Error) => boolean = () => true,
): Promise<Error> {
  let value: unknown;
  try {
    value = await body();
  } catch (error) {
    if (!(error instanceof Error)) throw new Error(`expected an Error to be thrown, got ${String(error)}`);
    if (!matches(error)) throw error;
    return error;
  }
  throw new Error(`expected a rejection, got ${String(value)}`);
}
