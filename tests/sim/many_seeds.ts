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
}

/** Sums over all seeds. */
export interface Totals {
  seeds: number;
  steps: number;
  simulatedMs: number;
  elections: number;
  acknowledged: number;
  unknown: number;
  reads: number;
  restarts: number;
  readonly faults: Record<string, number>;
  /** What the failed seeds said, the lowest seed first. */
  readonly failures: { readonly seed: number; readonly message: string }[];
}

/** `count` seeds from `first` on. */
export function seedsFrom(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

/** Runs them all, also after a failure. */
export async function runManySeeds(options: ManySeeds): Promise<Totals> {
  const totals: Totals = {
    ...{
      seeds: 0,
      steps: 0,
      simulatedMs: 0,
      elections: 0,
      acknowledged: 0,
      unknown: 0,
      reads: 0,
      restarts: 0,
    },
    ...{ faults: {}, failures: [] },
  };
  const seeds = options.seeds[Symbol.iterator]();
  const next = (): number | undefined => seeds.next().value;
  const onAnswer = (answer: WorkerAnswer) => {
    add(totals, answer);
    options.onAnswer?.(answer);
  };
  const { steps, workerUrl = new URL("./worker.ts", import.meta.url) } = options;
  await Promise.all(
    Array.from({ length: options.workers }, () => work({ next, steps, onAnswer, workerUrl })),
  );
  totals.failures.sort((a, b) => a.seed - b.seed);
  return totals;
}

async function work(job: {
  readonly next: () => number | undefined;
  readonly steps: number;
  readonly onAnswer: (answer: WorkerAnswer) => void;
  readonly workerUrl: URL;
}): Promise<void> {
  const worker = new Worker(job.workerUrl, { type: "module" });
  try {
    for (let seed = job.next(); seed !== undefined; seed = job.next()) {
      const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
      worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(`seed ${seed} ends its worker: ${message}`));
      worker.postMessage({ seed, steps: job.steps });
      job.onAnswer(await promise);
    }
  } finally {
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
  totals.unknown += result.unknown;
  totals.reads += result.reads;
  totals.restarts += result.restarts;
  for (const [kind, count] of Object.entries(result.faults)) {
    totals.faults[kind] = (totals.faults[kind] ?? 0) + count;
  }
}

/** The sums on a few lines, with the simulated hours. */
export function describeTotals(totals: Totals, realMs: number): string {
  const { failures, faults, simulatedMs, ...counts } = totals;
  const hours = simulatedMs / 3_600_000;
  return [
    `${JSON.stringify(counts)}`,
    `faults ${JSON.stringify(faults)}`,
    `${hours.toFixed(3)} simulated hours in ${(realMs / 1_000).toFixed(1)} s: ` +
    `${(simulatedMs / realMs).toFixed(0)} × real time; ${failures.length} seeds failed`,
  ].join("\n");
}
