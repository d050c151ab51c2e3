/**
 * Runs seeds on a core of its own, one after the other, as they are asked for.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { runSimulation, type SimulationOptions, type SimulationResult } from "./simulation.ts";

/** What came of a seed. */
export type WorkerAnswer =
  | { readonly kind: "passed"; readonly result: SimulationResult }
  | { readonly kind: "failed"; readonly seed: number; readonly message: string };

const scope = self as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = async ({ data }: MessageEvent<SimulationOptions>) => {
  scope.postMessage(await answer(data));
};

async function answer(options: SimulationOptions): Promise<WorkerAnswer> {
  try {
    return { kind: "passed", result: { ...await runSimulation(options), lines: [] } };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: "failed", seed: options.seed, message };
  }
}
