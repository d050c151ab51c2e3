/**
 * Conditional writes of one key go one after the other, and those whose version is past cost no call.
 *
 * @module
 */

import { PreconditionError, type PrkDbClient } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("turns of a key");
const LOOPS = 100;

/** Reads, adds one, writes if nobody else has; again until it has. */
async function addOne(client: PrkDbClient): Promise<void> {
  for (;;) {
    const { value, version } = (await client.getEntry("counter"))!;
    const next = String(Number(new TextDecoder().decode(value)) + 1);
    try {
      await client.put("counter", next, { precondition: { version } });
      return;
    } catch (error) {
      if (!(error instanceof PreconditionError)) throw error;
    }
  }
}

test("a hundred loops that compare and set send little more than a hundred writes", () =>
  inCluster(async (cluster, client) => {
    await client.put("counter", "0");
    cluster.calls.length = 0;
    await Promise.all(Array.from({ length: LOOPS }, () => addOne(client)));
    assert.is(await client.getText("counter"), String(LOOPS));
    const writes = cluster.calls.filter(({ method }) => method === "Put").length;
    assert.is(writes, LOOPS, "one after the other, with the version that the answer before has told");
  }));

test("a write that is refused unsent says at which version the key is", () =>
  inCluster(async (cluster, client) => {
    const { version } = await client.put("key", "old");
    cluster.calls.length = 0;
    const [first, second, absent, removed] = await Promise.allSettled([
      client.put("key", "new", { precondition: { version } }),
      client.put("key", "newer", { precondition: { version } }),
      client.put("key", "x", { precondition: { absent: true } }),
      client.delete("key", { precondition: { version } }),
    ]);
    assert.is(first.status, "fulfilled");
    for (const refused of [second, removed]) {
      assert.ok(refused.status === "rejected" && refused.reason instanceof PreconditionError);
      assert.is(refused.reason.currentVersion, version + 1);
    }
    assert.ok(absent.status === "rejected" && absent.reason instanceof PreconditionError);
    assert.is(cluster.calls.length, 2, "whether a key exists is for its node to say");
    assert.is(await client.getText("key"), "new");
  }));

test("a write that came when another was on its way is judged by its node, whatever that one tells", () =>
  inCluster(async (cluster, client) => {
    const { version } = await client.put("key", "old");
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = () => ({ kind: "delay", until });
    cluster.calls.length = 0;
    const first = client.put("key", "new", { precondition: { version } });
    while (cluster.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const late = client.put("key", "late", { precondition: { version } });
    release();
    await first;
    // Others may have changed the key since the first one was carried out, and before this one was asked for.
    await assertRejects(() => late, (error) => error instanceof PreconditionError);
    assert.is(cluster.calls.length, 2);
  }));

test("after a delete, what waited for the version before is refused and a new key can be made", () =>
  inCluster(async (_, client) => {
    const { version } = await client.put("key", "old");
    const [removed, late, made] = await Promise.allSettled([
      client.delete("key", { precondition: { version } }),
      client.put("key", "late", { precondition: { version } }),
      client.put("key", "made", { precondition: { absent: true } }),
    ]);
    assert.is(removed.status, "fulfilled");
    assert.ok(late.status === "rejected" && late.reason.currentVersion === 0);
    assert.is(made.status, "fulfilled");
    assert.is(await client.getText("key"), "made");
  }));

test("the wait ends with its deadline and its signal, and the others go on", () =>
  inCluster(async (cluster, client) => {
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = () => ({ kind: "delay", until });
    const precondition = { absent: true } as const;
    const controller = new AbortController();
    const { signal } = controller;
    const first = client.put("key", "first", { precondition });
    const hasty = client.put("key", "hasty", { precondition, timeoutMs: 50 });
    const aborted = client.put("key", "aborted", { precondition, signal });
    const last = client.put("key", "last", { precondition });
    const elsewhere = client.put("other", "x", { precondition });
    await assertRejects(() => hasty, (error) => /deadline/.test(error.message));
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, (error) => error.message === "enough");
    release();
    await Promise.all([first, elsewhere]);
    await assertRejects(() => last, (error) => error instanceof PreconditionError);
    assert.is(cluster.calls.filter(({ method }) => method === "Put").length, 3);
    await client.delete("key", { precondition: { version: 1 } }).catch(() => {});
    await client.put("key", "again");
  }));

test("a turn ends with its caller's wait, so that one call that hangs holds nobody up", () =>
  inCluster(async (cluster, client) => {
    let calls = 0;
    cluster.fault = () => calls++ === 0 ? { kind: "hang" } : undefined;
    const precondition = { absent: true } as const;
    const controller = new AbortController();
    const hanging = client.put("key", "hanging", { precondition, signal: controller.signal });
    const next = client.put("key", "next", { precondition });
    await new Promise((resolve) => setTimeout(resolve, 50));
    controller.abort(new Error("enough"));
    await assertRejects(() => hanging);
    await next;
    assert.is(await client.getText("key"), "next");
  }));

test.run();
