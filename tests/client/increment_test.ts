/**
 * Increments of the client against a fake cluster: what they are given, what they answer, and that one that
 * cannot be done harms nobody whose call travels with it.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import { NotANumberError, PreconditionError, PrkDbError } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import type { SeenCall } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("increments of the client");

const isNotANumber = (error: Error) => error instanceof NotANumberError;

test("a number is counted from 0, by 1 unless said otherwise, and is the value", () =>
  inCluster(async (cluster, client) => {
    assert.is(await client.increment("visits"), 1n);
    assert.is(await client.increment("visits", 41), 42n);
    assert.is(await client.increment("visits", -50n), -8n);
    assert.is(await client.increment("visits", 0), -8n);
    assert.is(await client.getText("visits"), "-8");
    assert.is(await client.increment("most", 2n ** 63n - 1n), 2n ** 63n - 1n);
    assert.is(await client.increment("least", -(2n ** 63n)), -(2n ** 63n));
    assert.is(cluster.calls.filter(({ method }) => method === "WriteBatch").length, 6);
  }));

test("increments made together travel together, and each hears a number of its own", () =>
  inCluster(async (cluster, client) => {
    const numbers = await Promise.all(Array.from({ length: 1_000 }, () => client.increment("n")));
    assert.equal(numbers, Array.from({ length: 1_000 }, (_, at) => BigInt(at + 1)));
    assert.ok(cluster.calls.length < 10, `${cluster.calls.length} calls`);
  }));

test("one under a condition is a call of its own", () =>
  inCluster(async (cluster, client) => {
    await assertRejects(
      () => client.increment("n", 1, { precondition: { exists: true } }),
      (error) => error instanceof PreconditionError && error.currentVersion === 0,
    );
    assert.is(await client.increment("n", 5, { precondition: { absent: true } }), 5n);
    assert.is(await client.increment("n", -5, { precondition: { exists: true } }), 0n);
    assert.equal(cluster.calls.map(({ method }) => method), ["Increment", "Increment", "Increment"]);
    await client.put("n", "x", { precondition: { exists: true } });
    await assertRejects(() => client.increment("n", 1, { precondition: { exists: true } }), isNotANumber);
    assert.is((await client.delete("n", { precondition: { exists: true } })).existed, true);
  }));

test("what is no number is told as such, and is not tried again", () =>
  inCluster(async (cluster, client) => {
    await client.put("n", "one");
    cluster.calls.length = 0;
    const error = await assertRejects(() => client.increment("n"), isNotANumber) as PrkDbError;
    assert.equal([error.code, error.retryable], ["failed_precondition", false]);
    assert.is(cluster.calls.length, 1);
    assert.is(cluster.stored("n"), "one");
  }));

test("an increment that cannot be done harms nobody who travels with it", () =>
  inCluster(async (cluster, client) => {
    const [text, other, count] = cluster.keysIn(0, 3) as [string, string, string];
    const [elsewhere] = cluster.keysIn(3, 1) as [string];
    await client.put(text, "one");
    cluster.applied.length = 0;
    const settled = await Promise.allSettled([
      client.put(other, "1"),
      client.increment(text),
      client.increment(count),
      client.increment(text, 2),
      client.put(elsewhere, "2"),
      client.increment(count),
      client.delete(text),
    ]);
    assert.equal(
      settled.map(({ status }) => status),
      [
        "fulfilled",
        "rejected",
        "fulfilled",
        "fulfilled",
        "fulfilled",
        "fulfilled",
        "fulfilled",
      ].with(3, "rejected"),
    );
    assert.equal([cluster.stored(other), cluster.stored(count), cluster.stored(text)], ["1", "2", undefined]);
    assert.equal([...cluster.applied].sort(), [other, count, count, text, elsewhere].sort(), "each once");
  }));

test("a retry is not counted twice, also of what an increment has kept from being applied", () =>
  inCluster(async (cluster, client) => {
    const [text, count] = cluster.keysIn(0, 2) as [string, string];
    await client.put(text, "one");
    // The first answer to every write is lost.
    const lost = new Set<number>();
    cluster.fault = ({ method, sequence }: SeenCall) => {
      if (method !== "WriteBatch" || lost.has(sequence)) return undefined;
      lost.add(sequence);
      return { kind: "loseAnswer" };
    };
    const settled = await Promise.allSettled([
      client.increment(count, 3),
      client.increment(text),
      client.increment(count, 4),
    ]);
    assert.equal(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.is(cluster.stored(count), "7");
    assert.ok(lost.size >= 2, "what was kept from being applied is a write of its own");
  }));

test("what was kept from being applied ends at its deadline like any other call", () =>
  inCluster(async (cluster, client) => {
    const [text, other] = cluster.keysIn(0, 2) as [string, string];
    await client.put(text, "one");
    let writes = 0;
    cluster.fault = ({ method }) => method === "WriteBatch" && ++writes > 1 ? { kind: "hang" } : undefined;
    const [count, put] = await Promise.allSettled([
      client.increment(text),
      client.put(other, "1", { timeoutMs: 300 }),
    ]);
    assert.ok(count!.status === "rejected" && isNotANumber(count.reason));
    assert.ok(put!.status === "rejected" && put.reason instanceof PrkDbError);
    assert.is(put.reason.code, "deadline_exceeded");
  }));

test("a batch that its caller has made is all or nothing, with the numbers in its results", () =>
  inCluster(async (cluster, client) => {
    const [n, other] = cluster.keysIn(0, 2) as [string, string];
    const results = await client.writeBatch([
      { kind: "increment", key: n },
      { kind: "put", key: other, value: "x" },
      { kind: "increment", key: n, by: 4n, precondition: { absent: true } },
    ]);
    assert.equal(results.map((result) => result.kind === "applied" && result.value), [1n, undefined, 5n]);
    const failed = await client.writeBatch([
      { kind: "increment", key: n },
      { kind: "increment", key: other, by: 2 },
    ]);
    const errors = failed.map((result) => result.kind === "failed" ? result.error : undefined);
    assert.is(errors[0]!.code, "aborted");
    assert.instance(errors[1], NotANumberError);
    assert.is(cluster.stored(n), "5");
  }));

test("a node that does not know increments says so, and that is what the caller reads", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = () => ({ kind: "error", code: Code.InvalidArgument });
    await assertRejects(
      () => client.increment("n"),
      (error) => error instanceof PrkDbError && error.code === "invalid_argument",
    );
  }));

test("what cannot be added is refused before anything is sent", () =>
  inCluster(async (cluster, client) => {
    const anything = (value: unknown) => value as number;
    for (const by of [1.5, NaN, Infinity, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n]) {
      await assertRejects(() => client.increment("n", by), (error) => error instanceof RangeError);
    }
    for (const by of ["1", null, {}, true]) {
      await assertRejects(() => client.increment("n", anything(by)), (error) => error instanceof TypeError);
    }
    const precondition = { exists: true, absent: true } as const;
    await assertRejects(
      () => client.increment("n", 1, { precondition }),
      (error) => error instanceof TypeError && /only one of them/.test(error.message),
    );
    await assertRejects(
      () => client.increment("n", 1, { ttlMs: 0 }),
      (error) => error instanceof RangeError && /ttlMs: it must be a whole number/.test(error.message),
    );
    assert.is(cluster.calls.length, 0);
  }));

test.run();
