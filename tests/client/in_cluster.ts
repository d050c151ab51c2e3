/**
 * A client and the fake cluster it belongs to, for the length of a test.
 *
 * @module
 */

import type { ClientOptions } from "../../client/arguments/options.ts";
import { PrkDbClient } from "../../client/mod.ts";
import { SteadyClock } from "../support/clock/steady_clock.ts";
import { FakeCluster } from "./fake_cluster.ts";

/** Runs `body` with both, and closes them; the client's time is that of a `SteadyClock` unless given. */
export async function inCluster(
  body: (cluster: FakeCluster, client: PrkDbClient) => Promise<void>,
  options: Pick<ClientOptions, "attempts" | "timeoutMs" | "clock"> = {},
): Promise<void> {
  const cluster = new FakeCluster();
  using clock = new SteadyClock();
  try {
    const client = await PrkDbClient.connect(cluster.addresses, { timeoutMs: 10_000, clock, ...options });
    await body(cluster, client);
    await client.close();
  } finally {
    await cluster.close();
  }
}
