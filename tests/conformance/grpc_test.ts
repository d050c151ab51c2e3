/**
 * Every case by gRPC, against the same answers as by Connect; then what passes the border, deadlines, and
 * what of gRPC has no like in Connect.
 *
 * @module
 */

import { ClusterService, KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { askRouter, type FakeAnswer } from "../support/fake_exchange.ts";
import { GrpcNode } from "../support/grpc_node.ts";
import { until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { ANSWERED_CASES } from "./answered_cases.ts";
import { type Answer, binary, type ConformanceCall, envelope, gzip, pathOf } from "./callers.ts";
import { bytes, call, errorInfo, refused } from "./case.ts";
import { EXPIRY_CASES, withSpans } from "./expiry_cases.ts";
import { grpcRequest, type GrpcSending, readGrpcAnswer } from "./grpc_caller.ts";
import { REFUSED_CASES } from "./refused_cases.ts";

const test = suite("gRPC conformance");
const { put, get, getMany, scan } = KvService.method;
const LIMIT = 16 * 1024 * 1024;
const TOO_LARGE = /^Cannot accept the request: .* bytes.*, the limit is 16777216 \(REQUEST_BYTES_MAX\): /;
const FUZZ_ROUNDS = 2_000;
const PUT_A = call(put, { key: bytes("a"), value: bytes("1") });

async function send(
  { router }: GrpcNode,
  asked: ConformanceCall,
  sending?: GrpcSending,
): Promise<FakeAnswer> {
  return await askRouter(router, await grpcRequest(asked, sending));
}

async function answerBy(grpc: GrpcNode, asked: ConformanceCall, sending?: GrpcSending): Promise<Answer> {
  return await readGrpcAnswer(asked, await send(grpc, asked, sending));
}

for (const sending of ["plain", "gzip"] as const) {
  test(`every case by gRPC, ${sending}`, async () => {
    for (const each of [...ANSWERED_CASES, ...REFUSED_CASES, ...EXPIRY_CASES]) {
      const grpc = new GrpcNode();
      for (const earlier of each.before ?? []) await send(grpc, earlier);
      assert.equal(withSpans(await answerBy(grpc, each.call, sending)), each.answer, each.name);
      assert.is(grpc.bodies.takenBytes, 0, each.name);
      const code = each.answer.ok ? "ok" : each.answer.code;
      assert.is(grpc.noted.at(-1), `${each.call.desc.name} ${code}`);
    }
  });
}

test("what passes the border is what was sent", async () => {
  const requestId = { clientId: 0xabcn, sequence: 9n, acknowledgedBelow: 4n };
  const grpc = new GrpcNode();
  const headers = { "connect-timeout-ms": "12345", "prkdb-route": "direct" };
  await answerBy(grpc, call(put, { key: bytes("a"), value: bytes("1"), requestId }, headers));
  const [seen] = grpc.node.seen;
  assert.ok(seen?.kind === "write");
  const { requestId: seenId, direct, timeoutMs } = seen.options;
  assert.equal(seenId, { clientId: "0000000000000abc", sequence: 9, acknowledgedBelow: 4 });
  assert.equal([direct, timeoutMs], [true, 12_345]);
});

test("a deadline in every unit; the default without one, the longest for a longer one", async () => {
  const told: readonly (readonly [string, number])[] = [
    ["1H", 300_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["400m", 400],
    ["5000u", 5],
    ["1n", 1],
    ["99999999H", 300_000],
    ["", 10_000],
  ];
  for (const [timeout, timeoutMs] of told) {
    const grpc = new GrpcNode();
    await answerBy(grpc, call(get, { key: bytes("a") }, timeout === "" ? {} : { "grpc-timeout": timeout }));
    const [seen] = grpc.node.seen;
    assert.ok(seen?.kind === "read", timeout);
    assert.is(seen.options.timeoutMs, timeoutMs, timeout);
    assert.not(seen.options.direct);
  }
});

test("a deadline that is none, or has passed, is refused before anything is done", async () => {
  const grpc = new GrpcNode();
  for (const broken of ["", "10", "m", "1.5S", "-1S", "123456789S", "1s", "1 S"]) {
    assert.equal(
      await answerBy(grpc, call(put, { key: bytes("a") }, { "grpc-timeout": broken })),
      refused("invalid_argument", `protocol error: invalid grpc timeout value: ${broken}`),
    );
  }
  const late = await answerBy(grpc, call(put, { key: bytes("a") }, { "grpc-timeout": "0m" }));
  assert.is(late.ok ? "ok" : late.code, "deadline_exceeded");
  assert.equal(grpc.node.seen, []);
});

test("a call for another cluster is refused for every method, and nothing is done", async () => {
  const grpc = new GrpcNode();
  const methods = [...Object.values(KvService.method), ...Object.values(ClusterService.method)];
  for (const desc of methods) {
    const asked = call(desc as typeof get, {}, { "prkdb-cluster": "another" });
    assert.equal(
      await answerBy(grpc, asked),
      refused(
        "failed_precondition",
        'Cannot serve a call for cluster "another": this node belongs to cluster test-cluster: ' +
          "ask a node of your cluster, and check the address",
        [errorInfo("WRONG_CLUSTER")],
      ),
      desc.name,
    );
  }
  assert.equal(grpc.node.seen, []);
  assert.is(grpc.node.listenerCount, 0);
  const own = call(getMany, {}, { "prkdb-cluster": "test-cluster" });
  assert.equal(await answerBy(grpc, own), { ok: true, message: {} });
});

test("a method that is not there is unimplemented, whatever its kind", async () => {
  const grpc = new GrpcNode();
  for (const path of ["/prkdb.v1.KvService/Nothing", "/nothing", "/", "*", "/prkdb.v1.RaftService/Deliver"]) {
    const answer = await askRouter(grpc.router, { path, headers: { "content-type": "application/grpc" } });
    assert.is(answer.status, 200);
    assert.is(answer.headers.get("grpc-status"), "12", path);
    assert.match(decodeURIComponent(answer.headers.get("grpc-message")!), `Cannot find ${path}: `);
  }
  const planned = await answerBy(grpc, call(scan as unknown as typeof get, {}));
  assert.is(planned.ok ? "ok" : planned.code, "unimplemented");
  assert.equal(grpc.noted, [...Array(5).fill("unknown unimplemented"), "Scan unimplemented"]);
});

test("what is no call of gRPC gets a status of HTTP", async () => {
  const { router } = new GrpcNode();
  const path = pathOf(get);
  const tried = [
    { request: { headers: { "content-type": "application/grpc+json" } }, status: 415, text: /grpc\+json/ },
    { request: { headers: { "content-type": "application/grpc+thrift" } }, status: 415, text: /thrift/ },
    {
      request: { headers: { "content-type": "application/grpc" }, method: "GET" },
      status: 405,
      text: /POST/,
    },
    {
      request: { headers: { "content-type": "application/grpc" }, version: "1.1" as const },
      status: 505,
      text: /HTTP\/2/,
    },
  ];
  for (const { request, status, text } of tried) {
    const answer = await askRouter(router, { path, ...request });
    assert.is(answer.status, status);
    assert.match(new TextDecoder().decode(answer.body), text);
    assert.is(answer.headers.get("grpc-status"), null);
  }
});

test("content types are answered as they were asked", async () => {
  const { router } = new GrpcNode();
  const body = envelope(binary(call(getMany, {})));
  const types = [
    ["application/grpc", "application/grpc"],
    ["application/grpc+proto", "application/grpc+proto"],
    ["Application/gRPC; charset=utf-8", "application/grpc"],
  ] as const;
  for (const [asked, answered] of types) {
    const answer = await askRouter(router, {
      path: pathOf(getMany),
      headers: { "content-type": asked },
      body,
    });
    assert.is(answer.trailers.get("grpc-status"), "0", asked);
    assert.is(answer.headers.get("content-type"), answered);
  }
});

test("a body that is not one message is refused", async () => {
  const { router, node } = new GrpcNode();
  const headers = { "content-type": "application/grpc" };
  const one = envelope(Uint8Array.of(10, 1, 97));
  const flagged = Uint8Array.from(one);
  flagged[0] = 2;
  const bodies: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /its 0 bytes are not one envelope/],
    [one.slice(0, 7), /its 7 bytes are not one envelope/],
    [Uint8Array.from([...one, ...one]), /its 16 bytes are not one envelope/],
    [flagged, /has the flags 2/],
    [envelope(Uint8Array.of(10, 100, 1)), /^Cannot decode prkdb\.v1\.PutRequest: /],
    [Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff), /a message has 4294967295 bytes, the limit is 16777216/],
    [new Uint8Array(LIMIT + 6), TOO_LARGE],
  ];
  for (const [body, text] of bodies) {
    const answer = await askRouter(router, { path: pathOf(put), headers, body });
    const refusal = await readGrpcAnswer(PUT_A, answer);
    assert.ok(!refusal.ok && refusal.code === "invalid_argument");
    assert.match(refusal.message, text);
  }
  assert.equal(node.seen, []);
});

test("a compression that is not known, or broken, is refused", async () => {
  const { router } = new GrpcNode();
  const path = pathOf(put);
  const marked = envelope(bytes("no gzip"));
  marked[0] = 1;
  const type = { "content-type": "application/grpc" };
  const unknown = await askRouter(router, {
    path,
    headers: { ...type, "grpc-encoding": "br" },
    body: marked,
  });
  assert.is(unknown.headers.get("grpc-status"), "12");
  assert.is(unknown.headers.get("grpc-accept-encoding"), "gzip,identity");
  for (const encoding of ["gzip", "identity"]) {
    const headers = { ...type, "grpc-encoding": encoding };
    const refusal = await readGrpcAnswer(PUT_A, await askRouter(router, { path, headers, body: marked }));
    assert.ok(!refusal.ok && refusal.code === "invalid_argument", encoding);
    assert.match(refusal.message, encoding === "gzip" ? /it is not gzip/ : /no compression is named/);
  }
});

test("a bomb is not unfolded, and what unfolds has its room first", async () => {
  const headers = { "content-type": "application/grpc", "grpc-encoding": "gzip" };
  const folded = async (size: number) => {
    const body = envelope(await gzip(new Uint8Array(size)));
    body[0] = 1;
    return body;
  };
  const grpc = new GrpcNode(1_000_000);
  const answerTo = async (body: Uint8Array) =>
    await readGrpcAnswer(PUT_A, await askRouter(grpc.router, { path: pathOf(put), headers, body }));
  const bomb = await answerTo(await folded(LIMIT + 1));
  assert.ok(!bomb.ok && bomb.code === "invalid_argument");
  assert.match(bomb.message, TOO_LARGE);
  // One that lies about its size: its end names a byte.
  const liar = await folded(LIMIT);
  liar.set([1, 0, 0, 0], liar.length - 4);
  const lie = await answerTo(liar);
  assert.ok(!lie.ok && lie.code === "invalid_argument");
  assert.match(lie.message, /more than the 1 bytes that its end names/);
  const crowded = await answerTo(await folded(1_000_001));
  assert.ok(!crowded.ok && crowded.code === "resource_exhausted");
  assert.match(crowded.message, /no room for 1000001 bytes/);
  assert.ok(grpc.bodies.peakBytes <= 1);
  assert.is(grpc.bodies.takenBytes, 0);
});

test("an answer is compressed for those who compress, if that makes it smaller", async () => {
  const zeros = call(put, { key: bytes("zeros"), value: new Uint8Array(10_000) });
  const small = call(put, { key: bytes("small"), value: new Uint8Array(10) });
  const grpc = new GrpcNode();
  await send(grpc, zeros);
  await send(grpc, small);
  const ask = (key: string, sending: GrpcSending) => send(grpc, call(get, { key: bytes(key) }), sending);
  assert.is((await ask("zeros", "plain")).headers.get("grpc-encoding"), null);
  const folded = await ask("zeros", "gzip");
  assert.is(folded.headers.get("grpc-encoding"), "gzip");
  assert.is(folded.body[0], 1);
  assert.ok(folded.body.length < 200);
  assert.is((await ask("small", "gzip")).body[0], 0);
});

test("no request, however malformed, gets anything but a status", async () => {
  const random = new SeededRandom(71_003);
  const grpc = new GrpcNode();
  const paths = [
    ...[...Object.values(KvService.method), ...Object.values(ClusterService.method)].map(pathOf),
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/",
  ];
  const folded = await gzip(new Uint8Array(3_000));
  const codes = new Set<string>();
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    const plain = random.bytes(random.chance(30) ? 0 : random.below(60));
    const message = random.chance(30) ? folded.slice() : plain;
    if (message.length > 0 && random.chance(20)) message[random.below(message.length)] = random.below(256);
    const framed = random.chance(80) ? envelope(message) : message;
    if (framed.length > 0 && random.chance(50)) framed[0] = random.below(3);
    const headers: Record<string, string> = { "content-type": "application/grpc" };
    if (random.chance(50)) headers["grpc-encoding"] = random.pick(["gzip", "identity", "br", ""]);
    if (random.chance(30)) headers["grpc-accept-encoding"] = random.pick(["gzip", "identity,gzip", ","]);
    if (random.chance(30)) headers["prkdb-cluster"] = random.pick(["test-cluster", "", "\u00e4\u0000"]);
    // Streams that are well asked for go on until their deadline.
    headers["grpc-timeout"] = random.pick(["1m", "100u", "0n", "x", "1m"]);
    const body = random.chance(20) ? Uint8Array.from([...framed, ...framed]) : framed;
    const { status, headers: head, trailers } = await askRouter(grpc.router, {
      path: random.pick(paths),
      headers,
      body,
    });
    assert.is(status, 200);
    const code = head.get("grpc-status") ?? trailers.get("grpc-status");
    assert.match(code ?? "none", /^([0-9]|1[0-6])$/, `round ${round}`);
    assert.is.not(code, "13", `round ${round}: ${head.get("grpc-message")}`);
    assert.match(head.get("grpc-message") ?? "", /^[ -~]*$/);
    codes.add(code!);
    assert.is(grpc.bodies.takenBytes, 0, `round ${round}`);
  }
  assert.is(grpc.noted.length, FUZZ_ROUNDS);
  await until(() => grpc.node.listenerCount === 0, "nobody watches");
  for (const code of ["0", "3", "4", "9", "12"]) assert.ok(codes.has(code), `no request ended with ${code}`);
});

test.run();
