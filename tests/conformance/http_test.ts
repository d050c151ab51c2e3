/**
 * What a node answers to requests that no well-meaning client sends: wrong paths, methods and types, broken and
 * oversized bodies, foreign pages, callers that leave. And that it is there afterwards.
 *
 * @module
 */

import { createHttpHandler, type HttpHandlerOptions } from "../../server/rpc/http.ts";
import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  type Answer,
  type Call,
  type Caller,
  CALLERS,
  connectAnswer,
  envelope,
  gzip,
  pathOf,
} from "./callers.ts";
import { bytes, call } from "./cases.ts";
import { FakeNode } from "./fake_node.ts";

const test = suite("http");
const BASE = "http://node.test:50051";
const LIMIT = 16 * 1024 * 1024;
const { get, put, scan } = KvService.method;
const node = new FakeNode();
const GET_A = call(get, { key: bytes("a") });
const TOO_LARGE = /^Cannot accept the request: REQUEST_BYTES_MAX allows 16777216 bytes, it has /;

test("an unknown path is not found", async () => {
  for (
    const path of [
      "",
      "/",
      "/prkdb.v1.KvService",
      "/prkdb.v1.KvService/get",
      "/prkdb.v1.KvService/Get/",
      "/%",
      "//",
    ]
  ) {
    const response = await ask(new Request(BASE + path, { method: "POST", body: "x" }));
    assert.is(response.status, 404, path);
    assert.is((await response.json()).code, "unimplemented");
  }
});

test("a wrong method is refused and the right ones are named", async () => {
  const cases = [["PUT", get, "GET, POST, OPTIONS"], ["GET", put, "POST, OPTIONS"], [
    "DELETE",
    put,
    "POST, OPTIONS",
  ], [
    "GET",
    scan,
    "POST, OPTIONS",
  ]] as const;
  for (const [method, desc, allow] of cases) {
    const response = await ask(new Request(BASE + pathOf(desc), { method }));
    assert.is(response.status, 405, `${method} ${desc.name}`);
    assert.is(response.headers.get("allow"), allow);
  }
});

test("an unknown content type is refused and the known ones are named", async () => {
  const types = [
    "text/plain",
    "application/grpc",
    "application/grpc+proto",
    "application/connect+proto",
    "",
    "proto",
  ];
  for (const type of types) {
    const response = await ask(
      new Request(BASE + pathOf(put), {
        method: "POST",
        body: bytes("x"),
        headers: { "content-type": type },
      }),
    );
    assert.is(response.status, 415, type);
    assert.match(response.headers.get("accept-post") ?? "", /application\/proto, application\/json/);
  }
  const unary = await ask(post(pathOf(scan), "application/proto", new Uint8Array(0)));
  assert.is(unary.status, 415, "a stream is no unary call");
  const encoding = await ask(new Request(`${BASE}${pathOf(get)}?connect=v1&encoding=xml&message=`));
  assert.is(encoding.status, 415);
});

test("a content type with a charset or in capitals is understood", async () => {
  for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
    const response = await ask(post(pathOf(put), type, bytes('{"key":"YQ=="}')));
    assert.is(response.status, 200, type);
  }
  assert.is((await ask(post(pathOf(put), "APPLICATION/PROTO", Uint8Array.of(10, 1, 97)))).status, 200);
});

test("a version of the protocol that is not spoken is refused", async () => {
  for (const caller of CALLERS) {
    const answer = await askBy(caller, { ...GET_A, headers: { "connect-protocol-version": "2" } });
    assert.equal(answer, {
      ok: false,
      code: "invalid_argument",
      message: 'Cannot serve connect-protocol-version: it must be "1", it is "2"',
      details: [],
    }, caller.name);
  }
  for (const encoding of ["proto", "json"]) {
    const response = await ask(new Request(`${BASE}${pathOf(get)}?connect=v2&encoding=${encoding}&message=`));
    assert.match((await response.json()).message, /it must be "v1", it is "v2"/, encoding);
    assert.is(response.status, 400);
  }
});

test("a deadline that is no number is refused", async () => {
  for (const caller of CALLERS.filter((each) => each.name !== "gRPC-Web")) {
    for (const timeout of ["abc", "-1", "1.5", "12345678901", "1e3"]) {
      const answer = await askBy(caller, { ...GET_A, headers: { "connect-timeout-ms": timeout } });
      assert.equal(answer, {
        ok: false,
        code: "invalid_argument",
        message: `protocol error: invalid connect timeout value: ${timeout}`,
        details: [],
      }, caller.name);
    }
  }
});

test("the longest deadline that can be written is served", async () => {
  for (const caller of CALLERS.filter((each) => each.name !== "gRPC-Web")) {
    const answer = await askBy(caller, { ...GET_A, headers: { "connect-timeout-ms": "9999999999" } });
    assert.ok(answer.ok, caller.name);
  }
  for (const timeout of ["99999999H", "99999999S", "99999999m", "1n"]) {
    const { headers, body } = await CALLERS.at(-1)!.request(GET_A, BASE);
    headers.set("grpc-timeout", timeout);
    const response = await ask(new Request(BASE + pathOf(get), { method: "POST", headers, body }));
    const answer = await CALLERS.at(-1)!.answer(GET_A, response);
    assert.is(answer.ok, timeout !== "1n", timeout);
  }
});

test("bytes that are no message are the caller's fault", async () => {
  // A field of length 100 that ends after 1 byte; a group that nobody opened; a field with number 0.
  for (const broken of [Uint8Array.of(10, 100, 1), Uint8Array.of(12), Uint8Array.of(0, 1)]) {
    const lean = await answerOf(put, post(pathOf(put), "application/proto", broken));
    assert.ok(!lean.ok && lean.code === "invalid_argument");
    assert.match(lean.message, /^Cannot decode prkdb\.v1\.PutRequest: /);
    const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
    const response = await ask(post(pathOf(put), "application/grpc-web+proto", envelope(broken)));
    assert.equal(await grpcWeb.answer(call(put, {}), response), lean, `${broken}`);
  }
});

test("a body that is not one envelope is refused where there must be one", async () => {
  const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
  const message = envelope(Uint8Array.of(10, 1, 97));
  for (const broken of [new Uint8Array(0), message.slice(0, 7), Uint8Array.from([...message, ...message])]) {
    const response = await ask(post(pathOf(put), "application/grpc-web+proto", broken));
    assert.equal(await grpcWeb.answer(call(put, {}), response), {
      ok: false,
      code: "invalid_argument",
      message: `Cannot read the request: it must be one envelope, it is ${broken.length} other bytes`,
      details: [],
    });
  }
});

test("text that is no message is the caller's fault", async () => {
  for (
    const broken of [
      "",
      "{",
      "[]",
      "null",
      '{"key":5}',
      '{"key":"***"}',
      '{"ttlMs":"x"}',
      '{"precondition":7}',
      "\xff",
    ]
  ) {
    const answer = await answerOf(put, post(pathOf(put), "application/json", bytes(broken)));
    assert.ok(!answer.ok && answer.code === "invalid_argument", `${broken}: ${JSON.stringify(answer)}`);
  }
});

test("a message in a URL that is no base64 is the caller's fault", async () => {
  for (const encoding of ["proto", "json"]) {
    const url = `${BASE}${pathOf(get)}?connect=v1&base64=1&encoding=${encoding}&message=%21%21%21`;
    const answer = await answerOf(get, new Request(url));
    assert.ok(!answer.ok && answer.code === "invalid_argument", `${encoding}: ${JSON.stringify(answer)}`);
  }
});

test("base64 in a URL may be of either alphabet, padded or not", async () => {
  const key = Uint8Array.of(251, 255, 254);
  const fresh = handler();
  await fresh(await CALLERS[0]!.request(call(put, { key, value: bytes("v") }), BASE));
  for (const message of ["CgP7__4", "CgP7__4=", "CgP7%2F%2F4%3D", "CgP7//4="]) {
    const request = new Request(`${BASE}${pathOf(get)}?encoding=proto&base64=1&message=${message}`);
    const answer = await connectAnswer(call(get, {}), await fresh(request));
    assert.equal(answer, { ok: true, message: { value: "dg==", version: "1" } }, message);
  }
});

test("a compression that is not known, or broken, is refused", async () => {
  for (const type of ["application/proto", "application/json"]) {
    const unknown = await answerOf(put, post(pathOf(put), type, bytes("x"), { "content-encoding": "br" }));
    assert.ok(!unknown.ok && unknown.code === "unimplemented", type);
    assert.match(unknown.message, /unknown compression "br": supported encodings are gzip/);
    const broken = await answerOf(put, post(pathOf(put), type, bytes("x"), { "content-encoding": "gzip" }));
    assert.equal(broken, {
      ok: false,
      code: "invalid_argument",
      message: "Cannot decompress the request: it is not gzip",
      details: [],
    }, type);
  }
});

test("a bomb of zeros is not unfolded", async () => {
  const bomb = await gzip(new Uint8Array(LIMIT + 1));
  assert.ok(bomb.length < 100_000);
  for (const type of ["application/proto", "application/json"]) {
    const answer = await answerOf(put, post(pathOf(put), type, bomb, { "content-encoding": "gzip" }));
    assert.ok(!answer.ok && answer.code === "invalid_argument", type);
    assert.match(answer.message, TOO_LARGE);
  }
});

test("a body above the limit is refused, announced or not, on every path", async () => {
  for (const caller of CALLERS.filter((each) => !each.isSafeOnly && !each.name.includes("gzip"))) {
    const type = (await caller.request(GET_A, BASE)).headers.get("content-type")!;
    for (const body of [new Uint8Array(LIMIT + 1), endless()]) {
      const headers: Record<string, string> = { "content-type": type };
      if (body instanceof Uint8Array) headers["content-length"] = String(body.length);
      const request = new Request(BASE + pathOf(put), { method: "POST", headers, body });
      const answer = await caller.answer(call(put, {}), await ask(request));
      assert.ok(!answer.ok && answer.code === "invalid_argument", caller.name);
      assert.match(answer.message, TOO_LARGE, caller.name);
    }
  }
});

test("an answer above the limit is refused", async () => {
  const keys = Array.from({ length: 65 }, () => bytes("big"));
  await ask(
    await CALLERS[0]!.request(call(put, { key: bytes("big"), value: new Uint8Array(1_048_576) }), BASE),
  );
  const answer = await askBy(CALLERS[0]!, call(KvService.method.getMany, { keys }));
  assert.equal(answer, {
    ok: false,
    code: "invalid_argument",
    message: "Cannot answer: RESPONSE_BYTES_MAX allows 67108864 bytes of values, these keys hold 68157440",
    details: [],
  });
});

test("streams that are not served say so at their end", async () => {
  const response = await ask(post(pathOf(scan), "application/connect+json", envelope(bytes("{}"))));
  assert.is(response.status, 200);
  const body = await response.bytes();
  assert.is(body[0], 2, "the flag of the end of a stream");
  assert.equal(JSON.parse(new TextDecoder().decode(body.subarray(5))).error, {
    code: "unimplemented",
    message: "Cannot serve Scan: this version of the node does not have it",
  });
});

test("pages of loopback origins may call, others may not", async () => {
  const allowed = [
    "http://localhost",
    "https://localhost:8080",
    "http://127.0.0.1:3000",
    "http://[::1]:5173",
  ];
  const foreign = ["https://example.com", "http://localhost.example.com", "http://127.0.0.1.nip.io", "null"];
  for (const origin of [...allowed, ...foreign]) {
    const isAllowed = allowed.includes(origin);
    const preflight = await ask(preflightOf(origin));
    assert.is(preflight.status, isAllowed ? 204 : 403, origin);
    assert.is(preflight.headers.get("access-control-allow-origin"), isAllowed ? origin : null);
    for (const caller of CALLERS) {
      const response = await ask(await caller.request({ ...GET_A, headers: { origin } }, BASE));
      await response.bytes();
      assert.is(response.headers.get("access-control-allow-origin"), isAllowed ? origin : null, caller.name);
      assert.is(response.headers.get("vary"), "Origin");
    }
  }
});

test("a preflight allows what calls send, and errors can be read by pages", async () => {
  const { headers } = await ask(preflightOf("http://localhost"));
  for (
    const name of [
      "content-type",
      "connect-protocol-version",
      "connect-timeout-ms",
      "prkdb-route",
      "x-grpc-web",
    ]
  ) {
    assert.ok(headers.get("access-control-allow-headers")?.toLowerCase().split(", ").includes(name), name);
  }
  assert.is(headers.get("access-control-allow-methods"), "POST, GET");
  const refused = await ask(
    post(pathOf(put), "application/proto", new Uint8Array(0), { origin: "http://localhost" }),
  );
  assert.is(refused.status, 400);
  assert.is(refused.headers.get("access-control-allow-origin"), "http://localhost");
  assert.match(refused.headers.get("access-control-expose-headers") ?? "", /grpc-status/i);
});

test("named origins replace the loopback ones", async () => {
  const named = handler({ corsOrigins: ["https://app.example"] });
  assert.is((await named(preflightOf("https://app.example"))).status, 204);
  assert.is((await named(preflightOf("http://localhost"))).status, 403);
  assert.is((await handler({ corsOrigins: ["*"] })(preflightOf("https://any.example"))).status, 204);
  assert.is((await handler({ corsOrigins: [] })(preflightOf("http://localhost"))).status, 403);
});

test("a request without a page is told the methods", async () => {
  const response = await ask(new Request(BASE + pathOf(get), { method: "OPTIONS" }));
  assert.is(response.status, 204);
  assert.is(response.headers.get("allow"), "GET, POST, OPTIONS");
});

test("reads by GET are not to be cached", async () => {
  const response = await ask(await CALLERS[2]!.request(GET_A, BASE));
  assert.is(response.headers.get("cache-control"), "no-store");
});

test("every call is told to the observer, with its code", async () => {
  const noted: string[] = [];
  const observed = handler({
    requests: { observe: (method, code, seconds) => void noted.push(`${method} ${code} ${seconds >= 0}`) },
  });
  for (const key of ["a", "fail:notLeader", "bug", ""]) {
    for (const caller of CALLERS) {
      const request = await caller.request(call(get, { key: bytes(key) }), BASE);
      await (await observed(request)).bytes();
    }
  }
  const codes = ["ok", "failed_precondition", "internal", "invalid_argument"];
  assert.equal(noted, codes.flatMap((code) => CALLERS.map(() => `Get ${code} true`)));
});

test("the peers' path goes to the peers' service", async () => {
  const path = "/prkdb.v1.RaftService/Deliver";
  const delivered: string[] = [];
  const peers = handler({
    streaming: {
      deliver: async (request) => {
        const body = await request.text();
        if (body === "bug") throw new Error("secret detail of the inside");
        delivered.push(body);
        return new Response("done");
      },
    },
  });
  assert.is(await (await peers(post(path, "application/connect+proto", bytes("batch")))).text(), "done");
  assert.equal(delivered, ["batch"]);
  const failed = await peers(post(path, "application/connect+proto", bytes("bug")));
  assert.equal(await failed.json(), { code: "internal", message: "internal error" });
  assert.is((await peers(new Request(BASE + path))).status, 405);
});

test("no request makes the handler throw", async () => {
  const random = xorshift(11);
  const pick = <T>(list: readonly T[]): T => list[random() % list.length]!;
  const paths = [
    pathOf(get),
    pathOf(put),
    pathOf(scan),
    "/prkdb.v1.KvService/WriteBatch",
    "/x",
    "/prkdb.v1.RaftService/Deliver",
  ];
  const types = [
    "application/proto",
    "application/json",
    "application/grpc-web+proto",
    "application/connect+proto",
    "application/connect+json",
    "x/y",
  ];
  const statuses = new Set<number>();
  for (let round = 0; round < 3_000; round++) {
    const method = pick(["POST", "POST", "POST", "GET", "PUT", "OPTIONS"]);
    const noise = Uint8Array.from({ length: random() % 40 }, () => random() % 256);
    const headers = new Headers({ "content-type": pick(types) });
    if (random() % 4 === 0) headers.set("content-encoding", pick(["gzip", "identity", "br"]));
    if (random() % 4 === 0) headers.set("connect-timeout-ms", pick(["", "0", "-", "50"]));
    const query = `?encoding=${pick(["proto", "json", ""])}&base64=1&message=${
      encodeURIComponent(String.fromCharCode(...noise))
    }`;
    const url = BASE + pick(paths) + (random() % 2 === 0 ? query : "");
    const hasBody = method === "POST" || method === "PUT";
    const response = await ask(new Request(url, { method, headers, body: hasBody ? noise : null }));
    await response.bytes();
    statuses.add(response.status);
  }
  for (const status of [200, 204, 400, 404, 405, 415]) {
    assert.ok(statuses.has(status), `${status} among ${[...statuses]}`);
  }
  assert.not(statuses.has(500), "a caller's mistake is no error of the node");
}, { limitMs: 60_000 });

test("a caller that leaves in the middle of its body or of its wait does no harm", async () => {
  await withServer(async (port) => {
    const head = (type: string) => `POST ${pathOf(put)} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n`;
    const slow = [10, 4, ...bytes("slow")];
    const broken: readonly Uint8Array[] = [
      bytes(head("application/proto") + "content-length: 1000\r\n\r\nabc"),
      bytes(head("application/json") + "content-length: 1000\r\n\r\n{"),
      bytes(head("application/proto") + "transfer-encoding: chunked\r\n\r\n5\r\nab"),
      bytes(head("application/proto") + "transfer-encoding: chunked\r\n\r\nzz\r\nab"),
      Uint8Array.of(
        ...bytes(head("application/proto") + "connect-timeout-ms: 50\r\ncontent-length: 6\r\n\r\n"),
        ...slow,
      ),
    ];
    for (const part of broken) {
      const connection = await Deno.connect({ port });
      await connection.write(part);
      connection.close();
    }
    const request = await CALLERS[0]!.request(call(put, { key: bytes("after") }), `http://127.0.0.1:${port}`);
    assert.is((await fetch(request)).status, 200);
  });
});

test("an oversized body over a socket is answered", async () => {
  await withServer(async (port) => {
    const url = `http://127.0.0.1:${port}${pathOf(put)}`;
    for (const body of [new Uint8Array(LIMIT + 1), endless(LIMIT + 1)]) {
      const headers = { "content-type": "application/proto" };
      const answer = await connectAnswer(call(put, {}), await fetch(url, { method: "POST", headers, body }));
      assert.ok(!answer.ok && answer.code === "invalid_argument");
      assert.match(answer.message, TOO_LARGE);
    }
  });
});

test.run();

function handler(options: Partial<HttpHandlerOptions> = {}) {
  const streaming = { deliver: () => Promise.resolve(new Response(null, { status: 400 })) };
  return createHttpHandler({
    node: new FakeNode(),
    corsOrigins: undefined,
    requests: { observe: () => {} },
    streaming,
    ...options,
  });
}

function ask(request: Request): Response | Promise<Response> {
  return handler({ node })(request);
}

async function askBy(caller: Caller, asked: Call): Promise<Answer> {
  return await caller.answer(asked, await ask(await caller.request(asked, BASE)));
}

async function answerOf(desc: Call["desc"], request: Request): Promise<Answer> {
  return await connectAnswer({ desc, input: {} }, await ask(request));
}

function post(
  path: string,
  type: string,
  body: Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Request {
  return new Request(BASE + path, { method: "POST", body, headers: { "content-type": type, ...headers } });
}

function preflightOf(origin: string): Request {
  const headers = { origin, "access-control-request-method": "POST" };
  return new Request(BASE + pathOf(put), { method: "OPTIONS", headers });
}

/** A body that announces no length; never ends unless told when. */
function endless(bytesMax = Infinity): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytesMax) return controller.close();
      controller.enqueue(new Uint8Array(65_536));
      sent += 65_536;
    },
  });
}

async function withServer(body: (port: number) => Promise<void>): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler());
  try {
    await body(server.addr.port);
  } finally {
    await server.shutdown();
  }
}

/** Numbers from a seed, so that a failure comes again. Source: Marsaglia, "Xorshift RNGs" (2003). */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
