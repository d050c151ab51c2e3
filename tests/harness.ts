/**
 * How a test is written: uvu's suites with a time limit on every test, so that a test that hangs fails by
 * name instead of stopping the run.
 *
 * ```ts
 * import { assert, suite } from "../tests/harness.ts";
 *
 * const test = suite("quorum");
 * test("three of five is a majority", () => assert.is(majority(5), 3));
 * test.run();
 * ```
 *
 * **Limits end what hangs; they measure nothing.** The usual one is so long that no machine reaches it by
 * being busy, and a test that names its own is one that takes minutes on an idle machine. What must be fast
 * has a benchmark in `bench/`.
 *
 * **A test that ran into its limit leaves nothing behind for the next.** Its body is told to end by the
 * signal that it was given. While it has not ended, what it has changed may still be so: the other tests of
 * the file are not run then, and each says which test is to blame.
 *
 * **A file ends when its tests have.** What they left open, a server for one, is not waited for: the process
 * ends, and has failed.
 *
 * @module
 */

import { suite as uvuSuite } from "uvu";
import * as assert from "uvu/assert";

export { assert };

/** Limit of a test that names none; hundreds of times what most of them take on an idle machine. */
const DEFAULT_LIMIT_MS = 600_000;
/** How long a test may take to end once its signal has told it to. */
const END_LIMIT_MS = 3_000;
/** The report is printed at once when the last test has ended; then there is nothing to wait for. */
const EXIT_DELAY_MS = 1_000;
/** How long what tests have left open, as one that failed may have, can keep the process from ending. */
const LEFT_OPEN_LIMIT_MS = 30_000;

/** The machine's own timers: a test may have put others in their place when its limit is over. */
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/** The body of a test; it has failed when it throws or rejects. The signal tells it that its time is over. */
export type TestBody = (signal: AbortSignal) => void | Promise<void>;

/** What is done before or after tests. */
export type TestHook = () => void | Promise<void>;

/** How a test is run. */
export interface TestOptions {
  /** Milliseconds within which the test must end; ten minutes unless given. */
  readonly limitMs?: number;
}

/** A named list of tests; `run` queues it for the runner. */
export interface Suite {
  /** Adds a test. */
  (name: string, body: TestBody, options?: TestOptions): void;
  /** Runs before each test. */
  readonly beforeEach: (hook: TestHook) => void;
  /** Runs after each test, also after one that failed. */
  readonly afterEach: (hook: TestHook) => void;
  /** Runs once after all tests. */
  readonly after: (hook: TestHook) => void;
  readonly run: () => void;
}

/** Opens a suite named `name`. */
export function suite(name: string): Suite {
  const inner = uvuSuite(name);
  const unended = new Set<string>();
  const add = (title: string, body: TestBody, options?: TestOptions) => {
    const limitMs = options?.limitMs ?? DEFAULT_LIMIT_MS;
    inner(title, () => runLimited({ what: `${name}: ${title}`, body, limitMs, unended }));
  };
  return Object.assign(add, {
    beforeEach: (hook: TestHook) => inner.before.each(hook),
    afterEach: (hook: TestHook) => inner.after.each(hook),
    after: (hook: TestHook) => inner.after(hook),
    run: () => {
      inner.before(() => stopTimer(leftOpenTimer));
      inner.after(() => {
        exitSoonIf(unended.size > 0);
        endWhatIsLeftOpen();
      });
      inner.run();
    },
  });
}

/** Runs from the end of a suite to the beginning of the next. */
let leftOpenTimer: ReturnType<typeof startTimer> | undefined;

/** The timer itself keeps no process from ending. */
function endWhatIsLeftOpen(): void {
  leftOpenTimer = startTimer(() => {
    console.log("The tests are over, but something that they left open keeps the process from ending.");
    Deno.exit(1);
  }, LEFT_OPEN_LIMIT_MS);
  Deno.unrefTimer(leftOpenTimer);
}

/** What is still running would keep the process from ending. */
function exitSoonIf(isUnended: boolean): void {
  if (isUnended) startTimer(() => Deno.exit(1), EXIT_DELAY_MS);
}

/** What a test is made of. */
interface LimitedTest {
  readonly what: string;
  readonly body: TestBody;
  readonly limitMs: number;
  /** The tests of the suite that ran into their limit and have not ended since. */
  readonly unended: Set<string>;
}

async function runLimited({ what, body, limitMs, unended }: LimitedTest): Promise<void> {
  const [culprit] = unended;
  if (culprit !== undefined) {
    throw new Error(`${what}: not run, because "${culprit}" ran into its limit and has not ended`);
  }
  const limit = new AbortController();
  const running = start(body, limit.signal);
  if (await endsWithin(running, limitMs)) return await running;
  const error = new Error(`${what}: not done after ${limitMs} ms`);
  limit.abort(error);
  if (!await endsWithin(running, END_LIMIT_MS)) {
    unended.add(what);
    void running.catch(() => {}).then(() => unended.delete(what));
  }
  throw error;
}

async function start(body: TestBody, signal: AbortSignal): Promise<void> {
  try {
    await body(signal);
  } catch (error) {
    throw printable(error);
  }
}

/** Whether `running` ends in time, in whatever way. */
async function endsWithin(running: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: ReturnType<typeof startTimer> | undefined;
  const limit = new Promise<boolean>((resolve) => timer = startTimer(() => resolve(false), limitMs));
  try {
    return await Promise.race([running.then(() => true, () => true), limit]);
  } finally {
    stopTimer(timer);
  }
}

/** uvu prints `details` as text and gives up, without a word, on errors where it is anything else. */
function printable(error: unknown): unknown {
  if (!(error instanceof Error) || typeof Reflect.get(error, "details") !== "object") return error;
  return Object.assign(new Error(error.message, { cause: error }), { stack: error.stack });
}

/**
 * Says that a test, or part of one, was left out: because this machine lacks something that it needs, which
 * `why` names. The runner shows it.
 */
export function noteSkipped(why: string): void {
  console.log(`skipped: ${why}`);
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
