/**
 * The Connect transport under connect-es's own client, against connect-es's own router and against answers
 * that no node would give.
 *
 * @module
 */

import { Code, ConnectError, createClient, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import { createPrkDbTransport } from "../../client/transport/connect_transport.ts";
import { fetchCaller, type FetchFunction } from "../../client/transport/fetch_caller.ts";
import { ErrorInfoSchema, KvService, NotLeaderSchema, RaftService } from "../../proto/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";

const test = suite("client transport");

const router = createConnectRouter().service(KvService, {
  put({ key, value }, { requestHeader, timeoutMs }) {
    const seen = `${requestHeader.get("x-test")} ${timeoutMs() !== undefined}`;
    if (new TextDecoder().decode(key) === "seen") throw new ConnectError(seen, Code.DataLoss);
    return { version: BigInt(value.length), partitionId: 3 };
  },
  get({ key }, { requestMethod }) {
    return { value: Uint8Array.of(...key, requestMethod === "GET" ? 1 : 0), version: 9n };
  },
  delete(_, { signal }) {
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    );
  },
  writeBatch() {
    throw new ConnectError("not here", Code.FailedPrecondition, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "NOT_LEADER" } },
      { desc: NotLeaderSchema, value: { leaderId: 2, leaderAddress: "n2:1", term: 8n } },
    ]);
  },
  async *scan({ limit, prefix }) {
    for (let page = 0; page < limit; page++) yield { resumeToken: Uint8Array.of(page) };
    if (prefix.length > 0) throw new ConnectError("torn", Code.Aborted);
  },
});
const handlers = new Map(
  router.handlers.map((handler) => [handler.requestPath, createFetchHandler(handler)]),
);
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
  const handler = handlers.get(new URL(request.url).pathname);
  return handler === undefined ? new Response("nothing here", { status: 404 }) : handler(request);
});
test.after(() => server.shutdown());

const baseUrl = `http://127.0.0.1:${server.addr.port}`;
const client = createClient(KvService, createPrkDbTransport({ baseUrl, headers: { "x-test": "yes" } }));
const key = new TextEncoder().encode("key");

test("unary calls carry messages, headers and deadlines", async () => {
  const { version, partitionId } = await client.put({ key, value: new Uint8Array(5) });
  assert.is(version, 5n);
  assert.is(partitionId, 3);
  const seen = { key: new TextEncoder().encode("seen") };
  const error = await assertRejects(() => client.put(seen)) as ConnectError;
  assert.is(error.code, Code.DataLoss);
  assert.is(error.rawMessage, "yes true");
  const other = await assertRejects(() =>
    client.put(seen, { headers: { "x-test": "call" } })
  ) as ConnectError;
  assert.is(other.rawMessage, "call true");
});

test("small calls without side effects are GET, large ones POST", async () => {
  assert.equal((await client.get({ key: Uint8Array.of(250, 7) })).value, Uint8Array.of(250, 7, 1));
  const large = new Uint8Array(2_000);
  assert.is((await client.get({ key: large })).value!.at(-1), 0);
});

test("errors keep their code, message and details", async () => {
  const error = await assertRejects(() => client.writeBatch({})) as ConnectError;
  assert.is(error.code, Code.FailedPrecondition);
  assert.is(error.rawMessage, "not here");
  assert.is(error.findDetails(ErrorInfoSchema)[0]!.reason, "NOT_LEADER");
  assert.is(error.findDetails(NotLeaderSchema)[0]!.term, 8n);
});

test("a stream ends, or ends with its error", async () => {
  const pages = [];
  for await (const { resumeToken } of client.scan({ limit: 3 })) pages.push(resumeToken[0]);
  assert.equal(pages, [0, 1, 2]);
  const torn = async () => {
    for await (const _ of client.scan({ limit: 1, prefix: key }));
  };
  assert.is((await assertRejects(torn) as ConnectError).code, Code.Aborted);
});

test("a stream of requests is refused, because browsers cannot send it", async () => {
  const raft = createClient(RaftService, createPrkDbTransport({ baseUrl }));
  const deliver = () => raft.deliver((async function* () {})());
  assert.is((await assertRejects(deliver) as ConnectError).code, Code.Unimplemented);
});

test("deadline and signal end a call", async () => {
  const late = await assertRejects(() => client.delete({ key }, { timeoutMs: 50 })) as ConnectError;
  assert.is(late.code, Code.DeadlineExceeded);
  const controller = new AbortController();
  const call = client.delete({ key }, { signal: controller.signal });
  controller.abort();
  assert.is((await assertRejects(() => call) as ConnectError).code, Code.Canceled);
});

test("a node that is not there is unavailable", async () => {
  const gone = createClient(KvService, createPrkDbTransport({ baseUrl: "http://127.0.0.1:19" }));
  assert.is((await assertRejects(() => gone.put({ key })) as ConnectError).code, Code.Unavailable);
});

test("answers of something that is no node become errors by their status", async () => {
  const answers: readonly (readonly [Response, Code])[] = [
    [new Response("<html>", { status: 502, headers: { "content-type": "text/html" } }), Code.Unavailable],
    [new Response("gone", { status: 404 }), Code.Unimplemented],
    [new Response("{", { status: 503, headers: { "content-type": "application/json" } }), Code.Unavailable],
    [new Response("hello", { headers: { "content-type": "text/plain" } }), Code.Unknown],
    [new Response(null, { status: 401 }), Code.Unauthenticated],
  ];
  for (const [response, code] of answers) {
    assert.is((await errorFor(response)).code, code);
  }
});

test("a node that is called by a name that is not its own says what helps", async () => {
  const words = "Cannot serve the host db1:50051: start the node with --allowed-hosts db1 to allow it";
  const headers = { "content-type": "text/plain; charset=utf-8" };
  const { rawMessage } = await errorFor(new Response(`${words}\n`, { status: 421, headers }));
  assert.ok(rawMessage.includes(words), rawMessage);
  const page = await errorFor(
    new Response("<html>", { status: 421, headers: { "content-type": "text/html" } }),
  );
  assert.ok(!page.rawMessage.includes("<html>"), page.rawMessage);
});

async function errorFor(response: Response): Promise<ConnectError> {
  const fetch: FetchFunction = () => Promise.resolve(response);
  const call = fetchCaller({ fetch }).call({
    address: "http://n",
    path: "/x",
    body: new Uint8Array(),
    timeoutMs: 1_000,
    direct: true,
    clusterId: "",
    readOnly: false,
    signal: new AbortController().signal,
  });
  return await assertRejects(() => call) as ConnectError;
}

test.run();
