/**
 * The client against a fake cluster when nothing goes wrong: what its methods send and return, and how calls
 * are joined.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { PreconditionError, type PrkDbError } from "../../client/transport/error.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("client");

/** Runs `body` with a fresh cluster and a client of it. */
test("put, get and delete one key", () =>
  inCluster(async (_, client) => {
    assert.equal(await client.put("user:1", "Alice"), { version: 1 });
    assert.equal(await client.get("user:1"), new TextEncoder().encode("Alice"));
    assert.is(await client.getText("user:1"), "Alice");
    assert.equal(await client.delete("user:1"), { existed: true, version: 2 });
    assert.is(await client.get("user:1"), undefined);
    assert.is(await client.getText("user:1"), undefined);
    assert.is((await client.delete("user:1")).existed, false);
  }));

test("bytes go in and come out as they are, the empty value too", () =>
  inCluster(async (_, client) => {
    const key = Uint8Array.of(0, 255, 123, 125);
    const value = Uint8Array.of(1, 0, 2);
    await client.put(key, value);
    assert.equal(await client.getEntry(key), { value, version: 1, expiresAtMs: undefined });
    await client.put("empty", "");
    assert.equal(await client.get("empty"), new Uint8Array());
    assert.is(await client.getEntry("nothing"), undefined);
  }));

test("a key expires when the cluster says so: of a put, an increment and in batches", () =>
  inCluster(async (cluster, client) => {
    const expiryOf = async (key: string) => (await client.getEntry(key))?.expiresAtMs;
    const wallMs = Number(cluster.wallMs);
    await client.put("p", "x", { ttlMs: 1 });
    await client.increment("n", 1, { ttlMs: 3_155_760_000_000 });
    assert.equal(await Promise.all(["p", "n"].map(expiryOf)), [wallMs + 1, wallMs + 3_155_760_000_000]);
    const results = await client.writeBatch([
      { kind: "put", key: "p", value: "y", ttlMs: 60_000, precondition: { exists: true } },
      { kind: "increment", key: "n", by: 2, ttlMs: 5 },
      { kind: "increment", key: "never" },
    ]);
    assert.equal(results.map(({ kind }) => kind), ["applied", "applied", "applied"]);
    assert.equal(await Promise.all(["p", "n", "never"].map(expiryOf)), [
      wallMs + 60_000,
      wallMs + 5,
      undefined,
    ]);
    await client.put("p", "z", { ttlMs: undefined });
    await client.increment("n");
    assert.equal(await Promise.all(["p", "n"].map(expiryOf)), [undefined, wallMs + 5]);
    await client.put("p", "again", { ttlMs: 7, precondition: { exists: true } });
    assert.is((await client.getEntry("p", { consistency: "stale" }))?.expiresAtMs, wallMs + 7);
  }));

test("JSON is parsed", () =>
  inCluster(async (_, client) => {
    await client.put("json", JSON.stringify({ a: [1, 2] }));
    assert.equal(await client.getJson("json"), { a: [1, 2] });
    assert.is(await client.getJson("none"), undefined);
    await client.put("json", "{");
    await assertRejects(() => client.getJson("json"), (error) => error instanceof SyntaxError);
  }));

test("every call goes to the leader of its key, and the key alone decides", () =>
  inCluster(async (cluster, client) => {
    for (let number = 0; number < 30; number++) await client.put(`key-${number}`, "x");
    assert.is(cluster.calls.length, 30);
    for (const call of cluster.calls) {
      assert.is(call.node, cluster.leaderOf(call.keys[0]!));
      assert.is(call.direct, true);
    }
    assert.is(new Set(cluster.calls.map((call) => call.node)).size, 3);
  }));

test("calls made together travel together: one call to each leader", () =>
  inCluster(async (cluster, client) => {
    const keys = Array.from({ length: 500 }, (_, number) => `key-${number}`);
    await Promise.all(keys.map((key) => client.put(key, `value of ${key}`)));
    assert.is(cluster.calls.length, 3);
    assert.is(cluster.applied.length, 500);
    for (const call of cluster.calls) {
      assert.ok(call.keys.every((key) => cluster.leaderOf(key) === call.node));
    }
    cluster.calls.length = 0;
    const values = await Promise.all(keys.map((key) => client.getText(key)));
    assert.equal(values, keys.map((key) => `value of ${key}`));
    assert.is(cluster.calls.length, 3);
    assert.ok(cluster.calls.every((call) => call.method === "GetMany"));
  }));

test("a lone call leaves at once though others are in flight; more than that are collected", () =>
  inCluster(async (cluster, client) => {
    const keys = cluster.keysIn(0, 40);
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = () => ({ kind: "delay", until });
    const puts = [client.put(keys[0]!, "first")];
    await arrivals(cluster, 1);
    puts.push(client.put(keys[1]!, "second"));
    await arrivals(cluster, 2);
    for (const key of keys.slice(2)) {
      puts.push(client.put(key, "later"));
      await Promise.resolve();
    }
    // Two batches are in flight and a third must not be; a read on the same node shows that a call would have
    // arrived.
    const read = client.get(keys[0]!);
    await arrivals(cluster, 3);
    assert.equal(cluster.calls.map((call) => call.method), ["WriteBatch", "WriteBatch", "GetMany"]);
    release();
    await Promise.all([...puts, read]);
    assert.equal(cluster.calls.map((call) => call.keys.length), [1, 1, 1, 38]);
  }));

test("batches are cut at 8 MiB", () =>
  inCluster(async (cluster, client) => {
    const value = new Uint8Array(1_000_000);
    await Promise.all(cluster.keysIn(1, 20).map((key) => client.put(key, value)));
    assert.equal(cluster.calls.map((call) => call.keys.length).sort((a, b) => a - b), [4, 8, 8]);
  }));

test("batches are cut at 10,000 mutations", () =>
  inCluster(async (cluster, client) => {
    const puts = Array.from({ length: 30_500 }, (_, number) => client.put(`key-${number}`, "x"));
    await Promise.all(puts);
    assert.is(cluster.applied.length, 30_500);
    assert.ok(cluster.calls.length > 3);
    assert.ok(cluster.calls.every((call) => call.keys.length <= 10_000));
  }));

test("sequences grow and nothing is acknowledged that may be sent again", () =>
  inCluster(async (cluster, client) => {
    for (let number = 0; number < 5; number++) await client.put("key", String(number));
    assert.equal(cluster.calls.map((call) => call.sequence), [1, 2, 3, 4, 5]);
    assert.equal(cluster.calls.map((call) => call.acknowledgedBelow), [1, 2, 3, 4, 5]);
  }));

test("a sequence in flight holds the acknowledgement back", () =>
  inCluster(async (cluster, client) => {
    const [held, other] = [cluster.keysIn(0, 1)[0]!, cluster.keysIn(1, 1)[0]!];
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = (call) => call.keys[0] === held ? { kind: "delay", until } : undefined;
    const slow = client.put(held, "x");
    await arrivals(cluster, 1);
    for (let number = 0; number < 3; number++) await client.put(other, "x");
    assert.equal(cluster.calls.map((call) => call.acknowledgedBelow), [1, 1, 1, 1]);
    release();
    await slow;
    await client.put(other, "x");
    assert.is(cluster.calls.at(-1)!.acknowledgedBelow, 5);
  }));

test("a precondition that holds lets the write through, one that does not tells the version", () =>
  inCluster(async (cluster, client) => {
    const first = await client.put("key", "one", { precondition: { absent: true } });
    const error = await assertRejects(() => client.put("key", "two", { precondition: { absent: true } }));
    assert.instance(error, PreconditionError);
    assert.is((error as PreconditionError).code, "failed_precondition");
    assert.is((error as PreconditionError).retryable, false);
    assert.is((error as PreconditionError).currentVersion, first.version);
    await client.put("key", "three", { precondition: { version: first.version } });
    await assertRejects(
      () => client.delete("key", { precondition: { version: first.version } }),
      (each) => each instanceof PreconditionError,
    );
    assert.is(cluster.stored("key"), "three");
    assert.equal(cluster.applied, ["key", "key"]);
  }));

test("a batch is atomic in each partition and says what became of each mutation", () =>
  inCluster(async (cluster, client) => {
    const [a, b] = cluster.keysIn(0, 2);
    const [c] = cluster.keysIn(1, 1);
    await client.put(b!, "there");
    const results = await client.writeBatch([
      { kind: "put", key: a!, value: "1" },
      { kind: "put", key: b!, value: "2", precondition: { absent: true } },
      { kind: "put", key: c!, value: "3" },
    ]);
    assert.equal(results.map((result) => result.kind), ["failed", "failed", "applied"]);
    const errors = results.map((result) => result.kind === "failed" ? result.error : undefined);
    assert.is(errors[0]!.code, "aborted");
    assert.instance(errors[1], PreconditionError);
    assert.is(cluster.stored(a!), undefined);
    assert.is(cluster.stored(b!), "there");
    assert.is(cluster.stored(c!), "3");
    const removed = await client.writeBatch([{ kind: "delete", key: c! }, { kind: "delete", key: a! }]);
    assert.equal(removed.map((result) => result.kind === "applied" && result.existed), [true, false]);
  }));

test("a write without a precondition is not dragged down by somebody else's", () =>
  inCluster(async (cluster, client) => {
    const [a, b] = cluster.keysIn(2, 2);
    await client.put(a!, "there");
    const [refused, put] = await Promise.allSettled([
      client.put(a!, "again", { precondition: { absent: true } }),
      client.put(b!, "x"),
    ]);
    assert.is(refused!.status, "rejected");
    assert.is(put!.status, "fulfilled");
  }));

test("getMany keeps the order of its keys over all partitions", () =>
  inCluster(async (cluster, client) => {
    await client.put("a", "1");
    await client.put("c", "3");
    cluster.calls.length = 0;
    const values = await client.getMany(["c", "b", "a", "c"]);
    assert.equal(values.map((value) => value && new TextDecoder().decode(value)), ["3", undefined, "1", "3"]);
    assert.equal(await client.getMany([]), []);
  }));

test("stale and follower reads go to replicas that do not lead, bounded ones as Get", () =>
  inCluster(async (cluster, client) => {
    await client.put("key", "x");
    cluster.calls.length = 0;
    for (let round = 0; round < 6; round++) await client.get("key", { consistency: "follower" });
    assert.ok(cluster.calls.every((call) => call.node !== cluster.leaderOf("key") && !call.direct));
    cluster.calls.length = 0;
    for (let round = 0; round < 6; round++) await client.get("key", { consistency: "stale" });
    assert.is(new Set(cluster.calls.map((call) => call.node)).size, 3);
    cluster.calls.length = 0;
    await client.get("key", { consistency: "stale", maxStalenessMs: 100 });
    assert.is(cluster.calls[0]!.method, "Get");
  }));

test("small reads are sent as GET, large ones as POST", () =>
  inCluster(async (cluster, client) => {
    await client.get("key");
    await client.get("k".repeat(3_000));
    assert.equal(cluster.calls.map((call) => call.httpMethod), ["GET", "POST"]);
  }));

test("wrong arguments are TypeError and RangeError and send nothing", () =>
  inCluster(async (cluster, client) => {
    const isRange = (error: Error) => error instanceof RangeError;
    const isType = (error: Error) => error instanceof TypeError;
    await assertRejects(() => client.put("", "x"), isRange);
    await assertRejects(() => client.put("k".repeat(4_097), "x"), isRange);
    await assertRejects(() => client.put("k", new Uint8Array(1_048_577)), isRange);
    await assertRejects(() => client.put("k", "x", { ttlMs: 0 }), isRange);
    await assertRejects(() => client.put("k", "x", { timeoutMs: 300_001 }), isRange);
    await assertRejects(() => client.put("k", "x", { precondition: { version: -1 } }), isRange);
    await assertRejects(() => client.put("k", 5 as unknown as string), isType);
    await assertRejects(() => client.get(null as unknown as string), isType);
    await assertRejects(() => client.get("k", { maxStalenessMs: 5 }), isType);
    await assertRejects(() => client.writeBatch([]), isRange);
    const many = Array.from({ length: 10_001 }, () => ({ kind: "delete" as const, key: "k" }));
    await assertRejects(() => client.writeBatch(many), isRange);
    await assertRejects(() => PrkDbClient.connect([]), isType);
    await assertRejects(() => PrkDbClient.connect(["ftp://x"]), isType);
    await assertRejects(() => PrkDbClient.connect(["http://x:1/path"]), isType);
    assert.is(cluster.calls.length, 0);
  }));

test("metadata and status describe the cluster", () =>
  inCluster(async (cluster, client) => {
    const { clusterId, nodes, partitions } = await client.metadata();
    assert.is(clusterId, "fake");
    assert.is(nodes.length, 3);
    assert.equal(partitions.map((partition) => partition.leaderId), [1, 2, 3, 1, 2, 3]);
    await cluster.stopNode(1);
    const reports = await client.status();
    assert.equal(reports.map((report) => report.kind), ["answered", "failed", "answered"]);
  }));

test("an address without a scheme will do, and connecting to nobody fails at once", async () => {
  const cluster = new FakeCluster({ nodes: 1 });
  const address = cluster.addresses[0]!;
  const client = await PrkDbClient.connect([address.slice("http://".length)]);
  await client.put("key", "x");
  await client.close();
  await cluster.close();
  const error = await assertRejects(() => PrkDbClient.connect([address]));
  assert.is((error as PrkDbError).code, "unavailable");
  assert.match(error.message, address);
});

test("a closed client refuses calls, and closing waits for those under way", () =>
  inCluster(async (cluster, client) => {
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = () => ({ kind: "delay", until });
    const put = client.put("key", "x");
    await arrivals(cluster, 1);
    const closing = client.close();
    const error = await assertRejects(() => client.put("other", "x"));
    assert.is((error as PrkDbError).code, "closed");
    release();
    await closing;
    assert.is((await put).version, 1);
  }));

/** Waits until `count` calls have arrived at the cluster. */
async function arrivals(cluster: FakeCluster, count: number): Promise<void> {
  while (cluster.calls.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
}

test.run();
