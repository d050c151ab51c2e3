/**
 * What a node answers to requests that no well-meaning client sends: wrong paths, methods, types, versions
 * and deadlines, and noise. And who is told about them.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { webHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { ask, askBy, BASE, handler, post } from "./asking.ts";
import { CALLERS, envelope, pathOf } from "./callers.ts";
import { bytes, call } from "./case.ts";

const test = suite("http");
const { get, put, scan } = KvService.method;
const GET_A = call(get, { key: bytes("a") });

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
    "application/connect+proto",
    "application/json; charset=latin1",
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
    assert.ok((await response.json()).message.includes(type), type);
    assert.match(response.headers.get("accept-post") ?? "", /application\/proto, application\/json/);
  }
  const unary = await ask(post(pathOf(scan), "application/proto", new Uint8Array(0)));
  assert.is(unary.status, 415, "a stream is no unary call");
  const json = await ask(post(pathOf(scan), "application/json", bytes("{}")));
  assert.is(json.status, 415);
  const { message } = await json.json();
  assert.match(message, /application\/json: this method streams its answers.* application\/connect\+json/);
  assert.not.match(json.headers.get("accept-post")!, /application\/json/);
  const encoding = await ask(new Request(`${BASE}${pathOf(get)}?connect=v1&encoding=xml&message=`));
  assert.is(encoding.status, 415);
  assert.match((await encoding.json()).message, /encoding must be proto or json, it is xml/);
  const none = await ask(new Request(`${BASE}${pathOf(get)}?connect=v1&message=`));
  assert.is(none.status, 415);
  assert.match((await none.json()).message, /encoding must be proto or json, it is missing/);
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
      message: 'Cannot serve connect-protocol-version "2": it must be "1"',
      details: [],
    }, caller.name);
  }
  for (const encoding of ["proto", "json"]) {
    const response = await ask(new Request(`${BASE}${pathOf(get)}?connect=v2&encoding=${encoding}&message=`));
    assert.match((await response.json()).message, /"v2": it must be "v1"/, encoding);
    assert.is(response.status, 400);
  }
});

test("a deadline that is no number is refused", async () => {
  for (const caller of CALLERS.filter((each) => !each.name.startsWith("gRPC-Web"))) {
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
  for (const caller of CALLERS.filter((each) => !each.name.startsWith("gRPC-Web"))) {
    const answer = await askBy(caller, { ...GET_A, headers: { "connect-timeout-ms": "9999999999" } });
    assert.ok(answer.ok, caller.name);
  }
  for (const timeout of ["99999999H", "99999999S", "99999999m"]) {
    const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
    const { headers, body } = await grpcWeb.request(GET_A, BASE);
    headers.set("grpc-timeout", timeout);
    const response = await ask(new Request(BASE + pathOf(get), { method: "POST", headers, body }));
    const answer = await grpcWeb.answer(GET_A, response);
    assert.ok(answer.ok, timeout);
  }
});

test("streams that are not served say so at their end", async () => {
  const response = await ask(post(pathOf(scan), "application/connect+json", envelope(bytes("{}"))));
  assert.is(response.status, 200);
  const body = await response.bytes();
  assert.is(body[0], 2, "the flag of the end of a stream");
  assert.equal(JSON.parse(new TextDecoder().decode(body.subarray(5))).error, {
    code: "unimplemented",
    message: "Cannot serve Scan: this version of the node does not have it yet",
  });
});

test("reads by GET are not to be cached", async () => {
  const response = await ask(await CALLERS[2]!.request(GET_A, BASE));
  assert.is(response.headers.get("cache-control"), "no-store");
});

test("every call is told to the observer, with its code", async () => {
  const noted: string[] = [];
  const observed = handler({
    requests: {
      observe: (method, code, seconds) => void noted.push(`${method} ${code} ${seconds >= 0}`),
      observeRefusal: () => {},
    },
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
    peers: webHandler(async (request) => {
      delivered.push(await request.text());
      return new Response("done");
    }),
  });
  assert.is(await (await peers(post(path, "application/connect+proto", bytes("batch")))).text(), "done");
  assert.equal(delivered, ["batch"]);
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
});

test.run();

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
