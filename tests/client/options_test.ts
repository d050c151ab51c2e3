/**
 * Options as programs without a type check hand them in: what is misspelt or of the wrong kind is a
 * `TypeError` that names it, and nothing is sent.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("options of the client");

/** Whatever plain JavaScript can hand in. */
const anything = <T>(value: unknown): T => value as T;

const isTypeError = (pattern: RegExp) => (error: Error) =>
  error instanceof TypeError && pattern.test(error.message);

test("an option that is misspelt is named, and nothing is sent", () =>
  inCluster(async (cluster, client) => {
    cluster.calls.length = 0;
    const wrong = { precondtion: { absent: true } };
    const calls: readonly (() => Promise<unknown>)[] = [
      () => client.put("k", "v", anything(wrong)),
      () => client.delete("k", anything(wrong)),
      () => client.increment("k", 1, anything(wrong)),
      () => client.writeBatch([anything({ kind: "increment", key: "k", ...wrong })]),
      () => client.get("k", anything(wrong)),
      () => client.getEntry("k", anything(wrong)),
      () => client.getText("k", anything(wrong)),
      () => client.getMany(["k"], anything(wrong)),
      () => client.writeBatch([{ kind: "put", key: "k", value: "v" }], anything(wrong)),
      () => client.writeBatch([anything({ kind: "put", key: "k", value: "v", ...wrong })]),
      () => client.writeBatch([anything({ kind: "delete", key: "k", ...wrong })]),
      () => client.status(anything(wrong)),
      () => client.metadata(anything(wrong)),
      () => client.cluster.rebalance(anything(wrong)),
      () => client.cluster.changes(anything(wrong)),
      () => client.cluster.waitForChange("id", anything(wrong)),
      () => client.cluster.watchChanges(anything(wrong)).next(),
    ];
    for (const call of calls) {
      await assertRejects(call, isTypeError(/"precondtion" is none of /));
    }
    assert.equal([cluster.calls.length, cluster.applied], [0, []]);
    const tooMany = anything<{ timeoutMs: number }>({ timeoutMs: 5_000, ttlMs: 5 });
    await assertRejects(
      () => client.delete("k", tooMany),
      isTypeError(/"ttlMs" is none of signal, timeoutMs/),
    );
  }));

test("options, keys and batches of the wrong kind are named", () =>
  inCluster(async (cluster, client) => {
    cluster.calls.length = 0;
    for (const [options, kind] of [[null, "null"], [5, "a number"], [[], "an array"]] as const) {
      await assertRejects(
        () => client.put("k", "v", anything(options)),
        isTypeError(new RegExp(`options: it must be an object, it is ${kind}$`)),
      );
    }
    for (const signal of [5, null, {}, "abort"]) {
      const options = anything<{ signal: AbortSignal }>({ signal });
      await assertRejects(() => client.get("k", options), isTypeError(/signal: it must be an AbortSignal/));
    }
    await assertRejects(() => client.getMany(anything("abc")), isTypeError(/keys: .* an array .* a string/));
    for (const batch of [undefined, null, "abc", { length: 1 }]) {
      await assertRejects(() => client.writeBatch(anything(batch)), isTypeError(/must be an array of mut/));
    }
    assert.is(cluster.calls.length, 0);
  }));

test("a time to live that nodes would refuse is refused alone, and not with the calls beside it", () =>
  inCluster(async (cluster, client) => {
    const range = /^Cannot use ttlMs: it must be a whole number from 1 to 3155760000000, it is /;
    for (const ttlMs of [0, -1, 1.5, NaN, Infinity, 3_155_760_000_001]) {
      const results = await Promise.allSettled([
        client.put("before", "x"),
        client.put("expiring", "x", { ttlMs }),
        client.put("behind", "x"),
        client.writeBatch([{ kind: "put", key: "expiring", value: "x", ttlMs }]),
        client.writeBatch([{ kind: "increment", key: "expiring", ttlMs }]),
        client.increment("expiring", 1, { ttlMs }),
      ]);
      assert.equal(results.map(({ status }) => status === "fulfilled"), [
        ...[true, false, true],
        ...[false, false, false],
      ]);
      for (const result of results) {
        if (result.status === "fulfilled") continue;
        assert.ok(result.reason instanceof RangeError, String(result.reason));
        assert.match(result.reason.message, range);
      }
    }
    for (const ttlMs of ["5", null, 5n, {}]) {
      const options = anything<{ ttlMs: number }>({ ttlMs });
      await assertRejects(() => client.put("k", "v", options), isTypeError(/ttlMs: it must be a number/));
    }
    assert.not.ok(cluster.applied.includes("expiring"));
    assert.not.ok(cluster.applied.includes("k"));
  }));

test("a precondition is one of the three, and no more", () =>
  inCluster(async (cluster, client) => {
    cluster.calls.length = 0;
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [null, /precondition: it must be an object, it is null/],
      [{ absent: true, version: 1 }, /\{ exists: true \} or \{ version: number \}, and only one/],
      [{ absent: true, exists: true }, /only one of them/],
      [{ absent: false }, /\{ absent: true \}, \{ exists/],
      [{ exists: false }, /\{ absent: true \}, \{ exists/],
      [{ absent: false, version: 1 }, /only one of them/],
      [{}, /\{ absent: true \}, \{ exists/],
      [{ version: undefined }, /it must be \{ absent: true \}/],
      [{ version: "1" }, /precondition\.version: it must be a number, it is a string/],
      [{ version: 1, abcent: true }, /precondition: "abcent" is none of absent, version, exists/],
    ];
    for (const [precondition, pattern] of cases) {
      const options = anything<{ precondition: { absent: true } }>({ precondition });
      await assertRejects(() => client.put("k", "v", options), isTypeError(pattern));
      await assertRejects(() => client.delete("k", options), isTypeError(pattern));
    }
    assert.is(cluster.calls.length, 0);
    await client.put("k", "v", { precondition: { absent: true } });
    const { version } = (await client.getEntry("k"))!;
    await client.put("k", "w", { precondition: { version }, signal: undefined, timeoutMs: undefined });
    assert.is(await client.getText("k", { signal: new AbortController().signal }), "w");
  }));

test("what a client cannot be made with is named at once", () =>
  inCluster(async (cluster) => {
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [{ timeoutMS: 5 }, /options: "timeoutMS" is none of timeoutMs, attempts/],
      [5, /options: it must be an object, it is a number/],
      [null, /options: it must be an object, it is null/],
      [{ headers: { "bad header": "x" } }, /headers: HTTP does not allow the name or value of "bad header"/],
      [{ headers: { good: "a\nb" } }, /name or value of "good"/],
      [{ headers: { good: 5 } }, /headers: "good" must be a string, it is a number/],
      [{ headers: new Headers({ a: "b" }) }, /headers: it must be a plain object .* it is a list/],
      [{ headers: 5 }, /headers: it must be a plain object .* it is a number/],
      [{ caller: 5 }, /caller: it must be an object with the method call, it is a number/],
      [{ caller: {} }, /caller: it must be an object with the method call/],
      [{ clock: { now: () => 0 } }, /clock: it must be an object with the method after/],
      [{ random: 0.5 }, /random: it must be a function, it is a number/],
      [{ timeoutMs: "5" }, /timeoutMs: it must be a number, it is a string/],
    ];
    for (const [options, pattern] of cases) {
      await assertRejects(
        () => PrkDbClient.connect(cluster.addresses, anything(options)),
        isTypeError(pattern),
      );
    }
    const caller = { call: () => Promise.reject(new Error("not called")) };
    await assertRejects(() => PrkDbClient.withTransport(caller, anything(5)), isTypeError(/a number/));
    await assertRejects(() => PrkDbClient.withTransport(anything(5)), isTypeError(/caller/));
    await using client = await PrkDbClient.connect(cluster.addresses, { headers: { authorization: "x" } });
    await client.put("k", "v");
  }));

test.run();
