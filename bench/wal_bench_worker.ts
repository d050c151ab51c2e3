/**
 * A log in a Worker, for `wal_bench.ts`: opens, appends and closes on demand.
 *
 * @module
 */

/// <reference lib="deno.worker" />

import { BenchLog, makeBatch } from "./wal_bench_log.ts";

/** What the bench asks for. */
type Order = { readonly open: string } | { readonly append: number } | { readonly close: true };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(message: unknown): void;
};
const batch = makeBatch({ bytes: 100, records: 10_000 });
let log: BenchLog | undefined;

scope.onmessage = async ({ data }) => scope.postMessage(await obey(data));

async function obey(order: Order): Promise<unknown> {
  if ("open" in order) {
    log = await BenchLog.open(order.open, { kind: "never" });
    log.prebuiltFrames();
    await log.append(batch, 4);
    return "ready";
  }
  if (log === undefined) throw new Error("Cannot append as no log is open");
  if ("close" in order) return await log.remove();
  return { records: batch.length * order.append, elapsedMs: await log.append(batch, order.append) };
}
