/**
 * Workload 9: kill −9 of a node that leads a third of the partitions, under load; how long until every key
 * can be written again.
 *
 * @module
 */

import type { PrkDbClient } from "../client/mod.ts";
import type { ProcessCluster } from "../tests/support/cluster/process_cluster.ts";
import { VALUE } from "./workload.ts";

const WRITERS = 90;
const SETTLE_MS = 1_000;
const LIMIT_MS = 30_000;

/** Milliseconds from the kill until each of 90 keys, spread over all partitions, has been written anew. */
export async function measureFailover(cluster: ProcessCluster, client: PrkDbClient): Promise<number> {
  const victim = await cluster.leaderOf(0);
  let killedMs = Infinity;
  let isDone = false;
  const firstWriteMs = new Array<number>(WRITERS).fill(Infinity);
  const writers = Array.from({ length: WRITERS }, async (_, number) => {
    while (!isDone) {
      const askedMs = performance.now();
      await client.put(`failover-${number}`, VALUE).catch(() => {});
      if (askedMs > killedMs) firstWriteMs[number] = Math.min(firstWriteMs[number]!, performance.now());
    }
  });
  await pause(SETTLE_MS);
  await cluster.kill(victim, "SIGKILL");
  killedMs = performance.now();
  while (firstWriteMs.includes(Infinity) && performance.now() - killedMs < LIMIT_MS) await pause(10);
  isDone = true;
  await Promise.all(writers);
  await cluster.restart(victim);
  await cluster.waitReady();
  return Math.max(...firstWriteMs) - killedMs;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
