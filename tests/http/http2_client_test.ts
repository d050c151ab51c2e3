/**
 * The HTTP/2 client of Node.js, which the project has no part in, against the server over real sockets: many
 * streams, large bodies both ways through small windows, trailers, cancelling, and a stop in peace.
 *
 * @module
 */

import http2 from "node:http2";
import { assert, suite } from "../harness.ts";
import type { StreamHandler, WholeHandler } from "../../server/http/exchange.ts";
import { echoHandler } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";
import { Http2TestServer } from "./socket_channel.ts";

const test = suite("http2 client");

/** What a client was answered. */
interface Answered {
  readonly status: number;
  readonly body: Uint8Array;
  readonly trailers: Readonly<Record<string, unknown>>;
}

test("1,000 streams at a time on one connection", async () => {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: async (_head, body) => {
      if (++waiting === 1_000) gate.resolve();
      await gate.promise;
      return { status: 200, headers: [], body };
    },
  };
  await using server = new Http2TestServer({ route: () => handler });
  await using client = connect(server.url);
  const calls = Array.from({ length: 1_000 }, (_, at) => client.call({ body: Uint8Array.of(at, at >> 8) }));
  const answers = await Promise.all(calls);
  assert.ok(answers.every(({ status, body }, at) => status === 200 && body[0] === (at & 255)));
});

test("a gRPC-like call: head, body and trailers", async () => {
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: (head, body) => ({
      status: 200,
      headers: [["content-type", head.headers.get("content-type") ?? ""]],
      body,
      trailers: [["grpc-status", "0"], ["grpc-message", "fine"]],
    }),
  };
  await using server = new Http2TestServer({ route: () => handler });
  await using client = connect(server.url);
  for (let call = 0; call < 50; call++) {
    const { body, trailers } = await client.call({
      body: new Uint8Array(call * 100),
      headers: { te: "trailers" },
    });
    assert.is(body.length, call * 100);
    assert.is(trailers["grpc-status"], "0");
  }
});

for (const [kind, handler] of [["whole", echoHandler(100_000_000)], ["streamed", streamedEcho()]] as const) {
  test(`large bodies both ways through small windows, ${kind}`, async () => {
    await using server = new Http2TestServer({ route: () => handler });
    await using client = connect(server.url, { initialWindowSize: 20_000 });
    const bodies = [3_000_000, 1, 0, 1_234_567].map((length) =>
      Uint8Array.from({ length }, (_, at) => (at * 7) ^ (at >> 8))
    );
    const answers = await Promise.all(bodies.map((body) => client.call({ body })));
    for (const [at, { body }] of answers.entries()) {
      assert.is(body.length, bodies[at]!.length);
      assert.ok(body.every((byte, place) => byte === bodies[at]![place]));
    }
    assert.is(server.bodies.usedBytes, 0);
    assert.is(server.answers.usedBytes, 0);
  });
}

test("a cancelled stream tells its handler, and the others go on", async () => {
  const left = Promise.withResolvers<string>();
  const endless: StreamHandler = {
    kind: "stream",
    isPatient: true,
    open: (_head, answer) => {
      answer.start(200, []);
      void answer.write(new Uint8Array(10));
      return { chunk: () => {}, end: () => {}, abort: (reason) => left.resolve(String(reason)) };
    },
  };
  const route = (head: { readonly target: string }) => head.target === "/endless" ? endless : echoHandler();
  await using server = new Http2TestServer({ route });
  await using client = connect(server.url);
  const stream = client.session.request({ ":method": "POST", ":path": "/endless" }, { endStream: false });
  stream.on("error", () => {});
  await new Promise((resolve) => stream.once("data", resolve));
  stream.close(http2.constants.NGHTTP2_CANCEL);
  assert.match(await left.promise, "was reset by its client");
  assert.is((await client.call({ body: Uint8Array.of(1) })).status, 200);
});

test("a connection that is lost tells the handlers at work", async () => {
  const left = Promise.withResolvers<void>();
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: (_head, body, caller) => {
      const answer = Promise.withResolvers<void>();
      caller.onLeave = () => {
        left.resolve();
        answer.resolve();
      };
      return answer.promise.then(() => ({ status: 200, headers: [], body }));
    },
  };
  await using server = new Http2TestServer({ route: () => handler });
  const client = connect(server.url);
  const call = client.call({ body: Uint8Array.of(1) });
  call.catch(() => {});
  while (server.connections.size === 0 || [...server.connections][0]!.openStreams === 0) await pause();
  client.session.destroy();
  await left.promise;
});

test("draining: calls under way are answered, then the connection ends", async () => {
  const gate = Promise.withResolvers<void>();
  const handler: WholeHandler = {
    ...echoHandler(),
    answer: async (_head, body) => {
      await gate.promise;
      return { status: 200, headers: [], body };
    },
  };
  await using server = new Http2TestServer({ route: () => handler });
  await using client = connect(server.url);
  const call = client.call({ body: new Uint8Array(100_000) });
  while (server.connections.size === 0 || [...server.connections][0]!.openStreams === 0) await pause();
  for (const connection of server.connections) connection.drain();
  gate.resolve();
  assert.is((await call).body.length, 100_000);
  while (server.connections.size > 0) await pause();
});

test("an early refusal arrives whole while the body is still being sent", async () => {
  const handler: WholeHandler = {
    ...echoHandler(1_000),
    refuse: () => ({ status: 413, headers: [], body: new Uint8Array(5_000) }),
  };
  await using server = new Http2TestServer({ route: () => handler });
  await using client = connect(server.url);
  for (let call = 0; call < 5; call++) {
    const { status, body } = await client.call({ body: new Uint8Array(2_000_000) });
    assert.is(status, 413);
    assert.is(body.length, 5_000);
  }
});

test.run();

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

function streamedEcho(): StreamHandler {
  return {
    kind: "stream",
    isPatient: false,
    open: (_head, answer) => {
      answer.start(200, []);
      return {
        chunk: (bytes) => answer.write(bytes.slice()),
        end: () => answer.end(),
        abort: () => {},
      };
    },
  };
}

/** A call of a test. */
interface TestCall {
  readonly body: Uint8Array;
  readonly headers?: http2.OutgoingHttpHeaders;
}

function connect(url: string, settings: http2.Settings = {}) {
  const session = http2.connect(url, { settings });
  session.on("error", () => {});
  return {
    session,
    call: ({ body, headers }: TestCall) => callOn(session, body, headers ?? {}),
    async [Symbol.asyncDispose](): Promise<void> {
      // One that the server has ended calls nobody back.
      if (!session.closed && !session.destroyed) await new Promise<void>((resolve) => session.close(resolve));
    },
  };
}

function callOn(
  session: http2.ClientHttp2Session,
  body: Uint8Array,
  headers: http2.OutgoingHttpHeaders,
): Promise<Answered> {
  const stream = session.request({ ":method": "POST", ":path": "/", ...headers });
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let status = 0;
    let trailers: Record<string, unknown> = {};
    stream.on("response", (head) => status = Number(head[":status"]));
    stream.on("trailers", (fields) => trailers = fields);
    stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    stream.on("end", () => resolve({ status, body: concatBytes(chunks), trailers }));
    stream.on("error", reject);
    stream.end(body);
  });
}
