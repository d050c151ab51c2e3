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
  const refused = new Error("certificate of 127.0.0.1:1 has expired");
  const thrown = new TypeError("fetch failed", { cause: refused });
  const error = errorOf(failureOf(thrown));
  assert.is(error.message, "fetch failed: certificate of 127.0.0.1:1 has expired");
  assert.is(error.cause, thrown);
  // As Node.js fails for a name with two addresses.
  const both = new AggregateError([refused, new Error("certificate of ::1:1 has expired")]);
  const aggregate = errorOf(failureOf(new TypeError("fetch failed", { cause: both })));
  assert.match(aggregate.message, /127\.0\.0\.1:1 has expired, certificate of ::1:1 has expired$/);
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

test("why a node is not reached is told in the same words on every runtime, without the URL of the call", () => {
  const url = "http://127.0.0.1:50052/prkdb.v1.KvService/Get?connect=v1&message=";
  const sent = `error sending request for url (${url}): client error`;
  const cases: readonly (readonly [string, RegExp])[] = [
    [
      `${sent} (Connect): tcp connect error: Connection refused (os error 111)`,
      /^Connection refused: no node/,
    ],
    ["connect ECONNREFUSED 127.0.0.1:50052", /^Connection refused: no node listens there$/],
    ["Connection reset by peer (os error 104)", /^Connection closed before an answer came/],
    ["other side closed", /^Connection closed before an answer came/],
    [
      `${sent} (Connect): dns error: failed to lookup address information`,
      /^No address is found for that name/,
    ],
    ["getaddrinfo ENOTFOUND db9", /^No address is found for that name/],
    [`${sent} (Connect): tcp connect error: No route to host (os error 113)`, /^No route to that host/],
    [
      `${sent} (Connect): tcp connect error: Connection timed out (os error 110)`,
      /^No connection came about/,
    ],
    [`${sent} (SendRequest): invalid HTTP version parsed`, /does not speak HTTP$/],
    [
      `error sending request from 127.0.0.1:35408 for ${url} (127.0.0.1:50052): client error (Connect): odd`,
      /^fetch failed: odd$/,
    ],
  ];
  for (const [said, words] of cases) {
    const { message } = errorOf(failureOf(new TypeError("fetch failed", { cause: new Error(said) })));
    assert.match(message, words);
    assert.not.match(message, /http:|client error/);
  }
});

test("a call that no leader takes in time names the partition, and nothing of the transport", async () => {
  const clusterOfOne = new FakeCluster({ nodes: 1, partitions: 1 });
  const client = await PrkDbClient.connect(clusterOfOne.addresses);
  await clusterOfOne.close();
  const error = await assertRejects(() => client.put("k", "v", { timeoutMs: 300 }));
  assert.ok(error instanceof PrkDbError && error.code === "deadline_exceeded");
  assert.match(
    error.message,
    /no leader of partition 0 was reached until then \(unavailable: Connection refu/,
  );
  assert.not.match(error.message, /WriteBatch|http:/);
  await client.close();
});

test("a node that is starting is told as such", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("the node is starting\n", { status: 503 }),
  );
  const cluster = new FakeCluster();
  try {
    const starting = `127.0.0.1:${server.addr.port}`;
    const refused = await assertRejects(() => PrkDbClient.connect(starting));
    assert.match(refused.message, `${starting}: the node is starting`);
    cluster.advertise = (node) => node === 2 ? starting : cluster.addresses[node]!.slice("http://".length);
    await using client = await PrkDbClient.connect(cluster.addresses.slice(0, 2));
    const reports = await client.status();
    assert.equal(reports.map((report) => report.kind === "failed" && report.isStarting), [
      false,
      false,
      true,
    ]);
  } finally {
    await Promise.all([cluster.close(), server.shutdown()]);
  }
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

test("https where nobody speaks TLS, and ports that fetch blocks, are told in words, in Deno and Node.js", async () => {
  const plain = new FakeCluster({ nodes: 1 });
  try {
    const secure = plain.addresses[0]!.replace("http:", "https:");
    const noTls = await assertRejects(() => PrkDbClient.connect(secure));
    assert.match(noTls.message, `${secure}: what answers there speaks no TLS (https): nodes of this version`);
    assert.not.match(noTls.message, /InvalidContentType|client error/);
    const blocked = await assertRejects(() => PrkDbClient.connect("127.0.0.1:6000"));
    assert.match(blocked.message, /:6000: fetch refuses to connect to that port, as browsers do: start the/);
  } finally {
    await plain.close();
  }
  const ssl = new Error("00A0:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:c:354:");
  for (
    const [cause, words] of [[ssl, /speaks no TLS/], [new Error("bad port"), /refuses to connect/]] as const
  ) {
    assert.match(errorOf(failureOf(new TypeError("fetch failed", { cause }))).message, words);
  }
});

test.run();
