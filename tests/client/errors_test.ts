/**
 * Errors that say where the call was made and what was wrong underneath, and time limits that hold from the
 * first connection on.
 *
 * @module
 */

import { PreconditionError, PrkDbClient, PrkDbError } from "../../client/mod.ts";
import { errorOf, failureOf } from "../../client/transport/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("errors of the client");

test("the stack shows the line that called, through every method", () =>
  inCluster(async (cluster, client) => {
    await client.put("key", "value");
    const precondition = { absent: true } as const;
    async function callerOfPut() {
      await client.put("key", "other", { precondition });
    }
    const refused = await assertRejects(callerOfPut, (error) => error instanceof PreconditionError);
    assert.match(refused.stack!, /^PreconditionError: .*\n +at PrkDbClient\.put .*\n +at async callerOfPut/);
    cluster.fault = () => ({ kind: "hang" });
    const timeoutMs = 50;
    const callers: Readonly<Record<string, () => Promise<unknown>>> = {
      async get() {
        return await client.get("key", { timeoutMs });
      },
      async getText() {
        return await client.getText("key", { timeoutMs });
      },
      async getEntry() {
        return await client.getEntry("key", { timeoutMs });
      },
      async getMany() {
        return await client.getMany(["key"], { timeoutMs });
      },
      async delete() {
        return await client.delete("key", { timeoutMs });
      },
    };
    for (const [name, caller] of Object.entries(callers)) {
      const error = await assertRejects(caller);
      assert.match(error.stack!, new RegExp(`at async (Object\\.)?${name} .*errors_test\\.ts`), name);
    }
  }));

test("causes are told down to the innermost, in the message and as `cause`", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");
  const thrown = new TypeError("fetch failed", { cause: refused });
  const error = errorOf(failureOf(thrown));
  assert.is(error.message, "fetch failed: connect ECONNREFUSED 127.0.0.1:1");
  assert.is(error.cause, thrown);
  // As Node.js fails for a name with two addresses.
  const both = new AggregateError([refused, new Error("connect ECONNREFUSED ::1:1")]);
  const aggregate = errorOf(failureOf(new TypeError("fetch failed", { cause: both })));
  assert.match(aggregate.message, /127\.0\.0\.1:1, connect ECONNREFUSED ::1:1$/);
  const circle = new Error("round");
  circle.cause = circle;
  assert.is(errorOf(failureOf(circle)).message, "round");
});

test("nobody at the address: the error says which address and why", async () => {
  const gone = new FakeCluster({ nodes: 1 });
  const address = gone.addresses[0]!;
  await gone.close();
  const error = await assertRejects(() => PrkDbClient.connect([address]));
  assert.ok(error instanceof PrkDbError && error.code === "unavailable");
  assert.ok(error.message.includes(address));
  assert.match(error.message, /refused/i);
  assert.instance(error.cause, PrkDbError);
  assert.match(error.stack!, /errors_test\.ts/);
});

test("addresses in one string, with commas between them", async () => {
  const cluster = new FakeCluster();
  try {
    for (const addresses of [cluster.addresses[0]!, cluster.addresses.join(", ")]) {
      const client = await PrkDbClient.connect(addresses);
      assert.is((await client.status()).length, 3);
      await client.close();
    }
    for (const wrong of ["", " , ", 7, undefined, null, {}, ["http://127.0.0.1:1", 7]]) {
      const connect = () => PrkDbClient.connect(wrong as unknown as string);
      await assertRejects(connect, (error) => error instanceof TypeError && /^Cannot /.test(error.message));
    }
  } finally {
    await cluster.close();
  }
});

test("the time limit of the client ends connecting to nodes that are silent", async () => {
  const cluster = new FakeCluster();
  for (const node of [0, 1, 2]) cluster.paused.add(node);
  try {
    const startedMs = performance.now();
    const connect = () => PrkDbClient.connect(cluster.addresses, { timeoutMs: 300 });
    const error = await assertRejects(connect, (error) => error instanceof PrkDbError);
    assert.match(error.message, /no answer within 300 ms/);
    assert.ok(performance.now() - startedMs < 2_000);
  } finally {
    await cluster.close();
  }
});

test.run();
