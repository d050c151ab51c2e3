/**
 * What every cluster benchmark shares: keys and values, a closed loop with a given number of calls in flight,
 * and the figures it comes to.
 *
 * @module
 */

/** 16-byte keys out of this many. */
export const KEY_COUNT = 1_000_000;
/** Bytes of a value. */
export const VALUE_BYTES = 100;

const KEY_DIGITS = 12;

/** A key of 16 bytes, drawn evenly. */
export function randomKey(): string {
  return `key-${String(Math.floor(Math.random() * KEY_COUNT)).padStart(KEY_DIGITS, "0")}`;
}

/** A value of {@linkcode VALUE_BYTES} printable bytes. */
export const VALUE = new Uint8Array(VALUE_BYTES).fill(118);

/** What a workload came to. */
export interface LoadResult {
  /** Items (calls, or keys of batches) a second. */
  readonly perSecond: number;
  /** Milliseconds a call. */
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly calls: number;
  readonly errors: number;
}

/** How to load. */
export interface LoadOptions {
  /** Calls in flight at all times. */
  readonly inFlight: number;
  readonly seconds: number;
  /** Items one call carries. */
  readonly itemsPerCall?: number;
  /** One call; `worker` counts from 0 to `inFlight - 1`. */
  readonly call: (worker: number) => Promise<unknown>;
}

/** Keeps `inFlight` calls going for `seconds`; a call that fails is counted, not hidden. */
export async function runClosedLoop(options: LoadOptions): Promise<LoadResult> {
  const { inFlight, seconds, itemsPerCall = 1, call } = options;
  const latencies: number[] = [];
  let errors = 0;
  const startedMs = performance.now();
  const untilMs = startedMs + seconds * 1000;
  const worker = async (_: unknown, number: number) => {
    for (let nowMs = performance.now(); nowMs < untilMs;) {
      try {
        await call(number);
      } catch (error) {
        if (errors++ === 0) {
          console.error(`first failed call: ${error instanceof Error ? error.message : error}`);
        }
      }
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  return summarize(latencies, { elapsedSeconds, itemsPerCall, errors });
}

function summarize(
  latencies: number[],
  run: { readonly elapsedSeconds: number; readonly itemsPerCall: number; readonly errors: number },
): LoadResult {
  latencies.sort((a, b) => a - b);
  const calls = latencies.length;
  const at = (share: number) => latencies[Math.min(calls - 1, Math.floor(calls * share))] ?? NaN;
  return {
    perSecond: ((calls - run.errors) * run.itemsPerCall) / run.elapsedSeconds,
    meanMs: latencies.reduce((sum, each) => sum + each, 0) / calls,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    calls,
    errors: run.errors,
  };
}
