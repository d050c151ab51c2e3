/**
 * What a node counts is what it holds: under any mix of writes it stays below the memory it may use, writes
 * what would go beyond to its disk or refuses it, and answers. `PRKDB_TEST_LOAD_MINUTES` makes the mixed load
 * last longer.
 *
 * @module
 */

import { PrkDbClient, PrkDbError } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { figuresOf } from "../support/cluster/node_figures.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { PATIENCE_MS, pause } from "../support/patience.ts";

const MEBIBYTE = 1024 * 1024;
/** Unless told otherwise; a minute with the start of the cluster. */
const LOAD_MS = Number(Deno.env.get("PRKDB_TEST_LOAD_MINUTES") ?? "0.4") * 60_000;
const MEMORY_BYTES = 256 * MEBIBYTE;
/**
 * Buffers of memtables that wait to be used again, which no part counts.
 * TODO(memory): with these counted the node is to stay below what it was given (`docs/open-work.md`).
 */
const UNCOUNTED_BYTES = 32 * MEBIBYTE;
const SMALL_HEAP_MEBIBYTES = 96;
const SMALL_KEYS = 320_000;
const DAY_MS = 86_400_000;
const LONE_PUTS = 3_000;
/** Of a follower, for the entries of so many puts with all that is on its way: far below a chunk for each. */
const LONE_GROWTH_MAX_BYTES = 64 * MEBIBYTE;

const test = suite("memory");

test("more small keys than a small heap takes: they are taken all the same", async () => {
  await using cluster = await smallNode();
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  const { written, refusal } = await writeSmallKeys(client);
  assert.is(refusal, undefined);
  assert.is(written, SMALL_KEYS);
  assert.is(await client.getText("k1"), "v");
  assert.is(await client.getText(`k${SMALL_KEYS - 1}`), "v");
  assert.ok(cluster.process(1).isRunning, cluster.output(1));
});

test("more keys that expire than a small heap takes: they are refused, and the node lives", async () => {
  await using cluster = await smallNode();
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  // The times of all keys that expire are in memory.
  const { written, refusal } = await writeSmallKeys(client, { ttlMs: DAY_MS });
  assert.is(refusal?.code, "resource_exhausted", String(refusal));
  assert.match(refusal!.message, /--memory-bytes/);
  assert.ok(written > 30_000, `${written} keys were taken`);
  assert.is(await client.getText("k1"), "v");
  assert.ok((await client.delete("k1")).existed);
  assert.ok(cluster.process(1).isRunning, cluster.output(1));
});

function smallNode(): Promise<ProcessCluster> {
  return ProcessCluster.start({
    nodes: 1,
    env: { DENO_V8_FLAGS: `--max-old-space-size=${SMALL_HEAP_MEBIBYTES}` },
  });
}

/** Until the first refusal. */
async function writeSmallKeys(
  client: PrkDbClient,
  options: { readonly ttlMs?: number } = {},
): Promise<{ readonly written: number; readonly refusal: PrkDbError | undefined }> {
  let written = 0;
  let refusal: PrkDbError | undefined;
  while (written < SMALL_KEYS && refusal === undefined) {
    const puts = Array.from(
      { length: 1_000 },
      (_, at) => ({ kind: "put" as const, key: `k${written + at}`, value: "v", ...options }),
    );
    const results = await client.writeBatch(puts, { timeoutMs: PATIENCE_MS });
    for (const result of results) {
      if (result.kind === "failed") refusal = result.error as PrkDbError;
      else written++;
    }
  }
  return { written, refusal };
}

test("lone puts leave at followers what they hold, not what they were read with", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: 1 });
  await using client = await PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
  for (let at = 0; at < 200; at++) await client.put(`warm ${at}`, "up");
  const before = cluster.ids.map((id) => cluster.process(id).residentBytes);
  for (let at = 0; at < LONE_PUTS; at++) await client.put(`key ${at}`, "x".repeat(100));
  const growth = cluster.ids.map((id, at) => cluster.process(id).residentBytes - before[at]!);
  console.log(`memory: ${LONE_PUTS} lone puts: ${growth.map(mebibytes).join(", ")} MiB more`);
  for (const bytes of growth) assert.ok(bytes < LONE_GROWTH_MAX_BYTES, `${mebibytes(bytes)} MiB`);
});

test("small, large, lone and joined writes: a node keeps to its memory and answers", async () => {
  await using cluster = await ProcessCluster.start({
    nodes: 3,
    partitions: 4,
    flags: [`--memory-bytes=${MEMORY_BYTES}`],
  });
  const empty = cluster.ids.map((id) => cluster.process(id).residentBytes);
  const load = new MixedWrites(await PrkDbClient.connect(cluster.addresses(), { timeoutMs: 5_000 }));
  const running = load.run(LOAD_MS);
  let isDone = false;
  void running.finally(() => isDone = true);
  const peaks = cluster.ids.map(() => 0);
  while (!isDone) {
    cluster.ids.forEach((id, at) => {
      peaks[at] = Math.max(peaks[at]!, cluster.process(id).residentBytes - empty[at]!);
    });
    await pause(50);
  }
  await running;
  const told = `${load.written} writes and ${load.refused} refusals, ${load.reads} reads; ` +
    `${peaks.map(mebibytes).join(", ")} of ${mebibytes(MEMORY_BYTES)} MiB`;
  console.log(`memory: ${told}`);
  for (const id of cluster.ids) assert.ok(cluster.process(id).isRunning, cluster.output(id));
  assert.ok(load.reads > 0, told);
  for (const id of cluster.ids) {
    assert.ok(
      (await figuresOf(cluster, id))("prkdb_store_flushes_total") > 0,
      `no bound was reached: ${told}`,
    );
  }
  for (const peak of peaks) assert.ok(peak < MEMORY_BYTES + UNCOUNTED_BYTES, told);
}, { limitMs: LOAD_MS + 600_000 });

/** Everything a client may write, from many callers at once. */
class MixedWrites {
  readonly #client: PrkDbClient;
  #keys = 0;
  written = 0;
  refused = 0;
  reads = 0;

  constructor(client: PrkDbClient) {
    this.#client = client;
  }

  async run(forMs: number): Promise<void> {
    const untilMs = performance.now() + forMs;
    const repeat = async (step: () => Promise<unknown>) => {
      while (performance.now() < untilMs) await this.#attempt(step);
    };
    const small = new Uint8Array(40);
    const medium = new Uint8Array(10_000);
    const large = new Uint8Array(900_000);
    const joined = () =>
      this.#client.writeBatch(
        Array.from({ length: 300 }, () => ({ kind: "put" as const, key: this.#key(), value: small })),
      ).then((results) => {
        const failed = results.find((result) => result.kind === "failed");
        if (failed?.kind === "failed") throw failed.error;
      });
    await Promise.all([
      ...Array.from({ length: 32 }, () => repeat(() => this.#client.put(this.#key(), small))),
      ...Array.from({ length: 4 }, () => repeat(joined)),
      ...Array.from({ length: 4 }, () => repeat(() => this.#client.put(this.#key(), medium))),
      repeat(() => this.#client.put("one large value", large)),
      this.#read(untilMs),
    ]);
    await this.#client.close();
  }

  async #read(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      await this.#client.get("key 1");
      this.reads++;
      await pause(20);
    }
  }

  async #attempt(step: () => Promise<unknown>): Promise<void> {
    try {
      await step();
      this.written++;
    } catch (error) {
      if (!(error instanceof PrkDbError)) throw error;
      if (error.code === "resource_exhausted") this.refused++;
      // A client that is refused comes back later.
      await pause(50);
    }
  }

  #key(): string {
    return `key ${++this.#keys}`;
  }
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / MEBIBYTE);
}

test.run();
