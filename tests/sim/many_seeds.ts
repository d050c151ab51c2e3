/**
 * Many seeds, shared out among workers.
 *
 * @module
 */

import type { WorkerAnswer } from "./worker.ts";

/** What to run. */
export interface ManySeeds {
  /** Asked for one at a time, so that they may end when enough has been seen. */
  readonly seeds: Iterable<number>;
  readonly steps: number;
  /** Cores to use. */
  readonly workers: number;
  readonly onAnswer?: (answer: WorkerAnswer) => void;
  /** The worker of another copy of the source; this one's by default. */
  readonly workerUrl?: URL;
  /** Ends the workers with the seeds they are at; rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Sums over all seeds. */
export interface Totals {
  seeds: number;
  steps: number;
  simulatedMs: number;
  elections: number;
  acknowledged: number;
  increments: number;
  notNumbers: number;
  expired: number;
  unknown: number;
  reads: number;
  restarts: number;
  readonly faults: Record<string, number>;
  /** What was done to keep state and log bounded. */
  readonly kept: Record<string, number>;
  /** What the failed seeds said, the lowest seed first. */
  readonly failures: { readonly seed: number; readonly message: string }[];
}

/** `count` seeds from `first` on. */
export function seedsFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

/** Runs them all, also after a failure. */
export async function runManySeeds(options: ManySeeds): Promise<Totals> {
  const totals = noTotals();
  const seeds = options.seeds[Symbol.iterator]();
  const job: SeedJob = {
    next: () => seeds.next().value,
    steps: options.steps,
    workerUrl: options.workerUrl ?? new URL("./worker.ts", import.meta.url),
    signal: options.signal ?? new AbortController().signal,
    onAnswer: (answer) => {
      add(totals, answer);
      options.onAnswer?.(answer);
    },
  };
  await Promise.all(Array.from({ length: options.workers }, () => work(job)));
  totals.failures.sort((a, b) => a.seed - b.seed);
  return totals;
}

function noTotals(): Totals {
  return {
    seeds: 0,
    steps: 0,
    simulatedMs: 0,
    elections: 0,
    acknowledged: 0,
    increments: 0,
    notNumbers: 0,
    expired: 0,
    unknown: 0,
    reads: 0,
    restarts: 0,
    faults: {},
    kept: {},
    failures: [],
  };
}

/** What the workers share. */
interface SeedJob {
  /** The next seed that no worker has been given. */
  readonly next: () => number | undefined;
  readonly steps: number;
  readonly workerUrl: URL;
  readonly signal: AbortSignal;
  readonly onAnswer: (answer: WorkerAnswer) => void;
}

async function work({ next, steps, workerUrl, signal, onAnswer }: SeedJob): Promise<void> {
  const worker = new Worker(workerUrl, { type: "module" });
  const aborted = Promise.withResolvers<never>();
  // It may be that nothing waits for it any more.
  aborted.promise.catch(() => {});
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    for (let seed = next(); seed !== undefined; seed = next()) {
      const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
      worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(`seed ${seed} ends its worker: ${message}`));
      worker.postMessage({ seed, steps });
      onAnswer(await Promise.race([promise, aborted.promise]));
    }
  } finally {
    signal.removeEventListener("abort", abort);
    worker.terminate();
  }
}

function add(totals: Totals, answer: WorkerAnswer): void {
  totals.seeds++;
  if (answer.kind === "failed") {
    totals.failures.push({ seed: answer.seed, message: answer.message });
    return;
  }
  const { result } = answer;
  totals.steps += result.steps;
  totals.simulatedMs += result.simulatedMs;
  totals.elections += result.elections;
  totals.acknowledged += result.acknowledged;
  totals.increments += result.increments;
  totals.notNumbers += result.notNumbers;
  totals.expired += result.expired;
  totals.unknown += result.unknown;
  totals.reads += result.reads;
  totals.restarts += result.restarts;
  addEach(totals.faults, result.faults);
  addEach(totals.kept, { ...result.kept });
}

function addEach(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}

/** The sums on a few lines, with the simulated hours. */
export function describeTotals(totals: Totals, realMs: number): string {
  const { failures, faults, kept, simulatedMs, ...counts } = totals;
  const hours = simulatedMs / 3_600_000;
  return [
    `${JSON.stringify(counts)}`,
    `faults ${JSON.stringify(faults)}`,
    `kept bounded ${JSON.stringify(kept)}`,
    `${hours.toFixed(3)} simulated hours in ${(realMs / 1_000).toFixed(1)} s: ` +
    `${(simulatedMs / realMs).toFixed(0)} × real time; ${failures.length} seeds failed`,
  ].join("\n");
}
