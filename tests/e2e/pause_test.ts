/**
 * Processes that pause and come back (SIGSTOP, SIGCONT), which is harder than death: their connections stay
 * open and they do not know that time has passed. A paused follower disturbs nobody; a paused leader is
 * replaced, and once it wakes it never answers from before its pause.
 *
 * `PRKDB_TEST_PAUSE_MS` sets how long the follower pauses; the long mode of the nightly run is 30,000.
 *
 * @module
 */

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { PrkDbClient } from "../../client/mod.ts";
import { createPrkDbTransport } from "../../client/transport/connect_transport.ts";
import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { RegisterLoad } from "../support/load/register_load.ts";
import { missingAt, WriteLoad } from "../support/load/write_load.ts";
import { PATIENCE_MS, pause, until } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";

const FOLLOWER_PAUSE_MS = Number(Deno.env.get("PRKDB_TEST_PAUSE_MS") ?? 8_000);
/** Far more than the pause, and what is waited for besides. */
const LIMIT_MS = 600_000 + FOLLOWER_PAUSE_MS;
const WRITERS = 4;
/** Were the follower waited for, a writer would get none while it pauses. */
const WRITES_PER_WRITER_MIN = 40;

const LEADER_ROUNDS = 3;
const READS_BEFORE_WAKING = 60;
const READS_AFTER_WAKING = 300;

const READS_MIN = 20;

const KEY = new TextEncoder().encode("moment");

const test = suite("pause");

test("a paused follower does not hold up writes, and has them all when it wakes", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await using load = await WriteLoad.start({ addresses: cluster.addresses(), writers: WRITERS });
  const leader = await cluster.leaderOf(0);
  const follower = cluster.ids.find((id) => id !== leader)!;
  await pause(500);
  load.takeLongestGapMs();
  const before = load.acknowledged.size;
  const wanted = load.writesByWriter.map((writes) => writes + WRITES_PER_WRITER_MIN);
  await cluster.kill(follower, "SIGSTOP");
  await pause(FOLLOWER_PAUSE_MS);
  await until(
    () => load.writesByWriter.every((writes, writer) => writes >= wanted[writer]!),
    "every writer goes on beside a paused follower",
  );
  const gapMs = load.takeLongestGapMs();
  const writes = load.acknowledged.size - before;
  await cluster.kill(follower, "SIGCONT");
  await cluster.waitReady();
  await load.stop();
  for (const id of cluster.ids) assert.equal(await missingAt(cluster.address(id), load.acknowledged), []);
  console.log(`paused follower: ${writes} writes meanwhile, longest gap ${gapMs.toFixed(0)} ms`);
  assert.equal(load.failures, []);
}, { limitMs: LIMIT_MS });

test("a paused leader is replaced, and once awake serves no stale linearizable read", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  await using registers = await RegisterLoad.start({
    addresses: cluster.addresses(),
    registers: 1,
    readers: 3,
    random: drawnRandom("paused leader"),
  });
  const takeoversMs: number[] = [];
  let reads = 0;
  for (let round = 0; round < LEADER_ROUNDS; round++) {
    await client.put(KEY, `old ${round}`);
    const leader = await cluster.leaderOf(0);
    await warmUp(cluster.address(leader));
    await cluster.kill(leader, "SIGSTOP");
    const stoppedMs = performance.now();
    // Acknowledged while the old leader pauses: another has taken over.
    await client.put(KEY, `new ${round}`);
    takeoversMs.push(performance.now() - stoppedMs);
    // These wait in the old leader's sockets and are the first thing it sees when it wakes.
    const waiting = readMany(cluster.address(leader), READS_BEFORE_WAKING);
    await pause(200);
    await cluster.kill(leader, "SIGCONT");
    const values = [...await waiting, ...await readMany(cluster.address(leader), READS_AFTER_WAKING)];
    assert.equal([...new Set(values)], [`new ${round}`]);
    reads += values.length;
    await cluster.waitReady();
  }
  await until(() => registers.reads >= READS_MIN, "registers are read");
  await registers.stop();
  assert.equal(registers.violations, []);
  console.log(
    `paused leader: taken over in ${takeoversMs.map(Math.round).join(", ")} ms; ${reads} reads, none stale`,
  );
  // Half of the reads allow forwarding and must succeed sooner or later; those that do not may be refused.
  assert.ok(reads >= LEADER_ROUNDS * (READS_BEFORE_WAKING + READS_AFTER_WAKING) / 4, `only ${reads} reads`);
});

/** Opens connections, so that the reads sent later need nothing from the paused process. */
async function warmUp(address: string): Promise<void> {
  assert.ok((await readMany(address, READS_BEFORE_WAKING)).length > 0);
}

/** The values that `count` reads at once saw at one node, half of them with `prkdb-route: direct`. */
async function readMany(address: string, count: number): Promise<string[]> {
  const client = createClient(KvService, createPrkDbTransport({ baseUrl: address }));
  const read = async (at: number): Promise<string[]> => {
    const headers: Record<string, string> = at % 2 === 0 ? { "prkdb-route": "direct" } : {};
    try {
      const { value } = await client.get({ key: KEY }, { headers, timeoutMs: PATIENCE_MS });
      return [value === undefined ? "nothing" : new TextDecoder().decode(value)];
    } catch (error) {
      mustBeRefusal(error);
      return [];
    }
  };
  return (await Promise.all(Array.from({ length: count }, (_, at) => read(at)))).flat();
}

/** What a node may say that is not, or not any more, the leader. */
function mustBeRefusal(error: unknown): void {
  const allowed = [Code.FailedPrecondition, Code.Unavailable, Code.DeadlineExceeded];
  if (error instanceof ConnectError && allowed.includes(error.code)) return;
  throw error;
}

test.run();
