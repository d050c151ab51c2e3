/**
 * What pages of other origins can read: every answer, whoever gives it, a handler, the router's guard or the
 * connection itself, has the fields that let a page of an allowed origin read it, and nobody else's.
 *
 * @module
 */

import { originIn } from "../../server/http/h1/message/mod.ts";
import {
  CorsPolicy,
  GuardedRouter,
  HostRule,
  type HttpLimits,
  type HttpRouter,
  webHandler,
} from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  KnownContext,
  MIRROR_ROUTER,
  plain,
  request,
  ScriptedConnection,
  statusesOf,
  wholeRouter,
} from "./h1_fixture.ts";
import { collecting } from "./h1_streams.ts";
import { dataFrame, type FieldPair, headersFrame, requestFields } from "./http2_frames.ts";
import { echoHandler, type Http2PeerOptions, openHttp2Peer } from "./http2_peer.ts";
import { latinBytes } from "./scripted_channel.ts";

const test = suite("pages");
const ALLOWED = "https://app.example";
const FOREIGN = "https://foreign.example";
const HOST = "Host: a.example:1";
const CORS = new CorsPolicy([ALLOWED]);
const LIMITS: Partial<HttpLimits> = { headBytesMax: 1_000 };
const THROWING: HttpRouter = {
  route: () => {
    throw new Error("on purpose");
  },
};
const BROKEN_HANDLER: HttpRouter = {
  route: () => ({ ...echoHandler(), answer: () => Promise.reject(new Error("on purpose")) }),
};
const BROKEN_STREAM: HttpRouter = {
  route: () => ({
    kind: "stream",
    isPatient: false,
    open: () => {
      throw new Error("on purpose");
    },
  }),
};

/** A request of a page, as lines of a head or anything like one, and what it is answered with. */
interface PageCase {
  readonly name: string;
  readonly status: number;
  /** Everything up to the line of `Origin`. */
  readonly opening: readonly string[];
  /** What stands behind that line; the end of the head unless given. */
  readonly rest?: string;
  readonly router?: HttpRouter;
  readonly context?: ConstructorParameters<typeof KnownContext>[0];
  /** What passes before the answer. */
  readonly passedMs?: number;
}

const GET = ["GET / HTTP/1.1", HOST];
const CHUNKED = ["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked"];

const CASES: readonly PageCase[] = [
  { name: "a handler's answer", status: 200, opening: GET },
  { name: "a streamed answer", status: 200, opening: GET, router: collecting().router },
  { name: "an answer of the web", status: 200, opening: GET, router: web(() => new Response("yes")) },
  { name: "a method that the web has not", status: 501, opening: ["TRACE / HTTP/1.1", HOST], router: web() },
  {
    name: "a path that the web would change",
    status: 400,
    opening: ["GET /a/.. HTTP/1.1", HOST],
    router: web(),
  },
  {
    name: "a body above the handler's limit",
    status: 413,
    opening: ["POST / HTTP/1.1", HOST],
    rest: large(),
  },
  { name: "two hosts", status: 400, opening: [...GET, HOST] },
  { name: "no host", status: 400, opening: ["GET / HTTP/1.1"] },
  { name: "a name that is none", status: 400, opening: [...GET, "bad name: 1"] },
  { name: "a folded line behind", status: 400, opening: GET, rest: " folded\r\n\r\n" },
  { name: "a bare LF behind", status: 400, opening: GET, rest: "A: b\n\r\n" },
  { name: "chunks that are none", status: 400, opening: CHUNKED, rest: "\r\nzz\r\n" },
  { name: "an unknown expectation", status: 417, opening: [...GET, "Expect: miracles"] },
  {
    name: "too many fields",
    status: 431,
    opening: [...GET, ...Array(60).fill("A: b"), ...Array(150).fill("a:")],
  },
  { name: "a field too large", status: 431, opening: [...GET, `A: ${"x".repeat(1_000)}`] },
  { name: "a target too large", status: 431, opening: [`GET /${"x".repeat(9_000)} HTTP/1.1`, HOST] },
  { name: "a tunnel", status: 501, opening: ["CONNECT a:1 HTTP/1.1", HOST] },
  { name: "another version", status: 505, opening: ["GET / HTTP/3.0", HOST] },
  {
    name: "another name",
    status: 421,
    opening: GET,
    router: new GuardedRouter(new HostRule([]), MIRROR_ROUTER),
  },
  { name: "a router that throws", status: 500, opening: GET, router: THROWING },
  { name: "a handler that throws", status: 500, opening: GET, router: BROKEN_HANDLER },
  { name: "a stream that throws", status: 500, opening: GET, router: BROKEN_STREAM },
  { name: "a head that stops", status: 408, opening: GET, rest: "A: b", passedMs: 11_000 },
  { name: "a body that stops", status: 408, opening: CHUNKED, rest: "\r\n1\r\na\r\n", passedMs: 31_000 },
  {
    name: "no room for an answer",
    status: 503,
    opening: GET,
    router: wholeRouter(() => plain(200, "x".repeat(100_000))),
    context: { answerBytes: 1 },
  },
  {
    name: "no room for a head",
    status: 503,
    opening: GET,
    rest: `A: ${"x".repeat(20_000)}`,
    context: { bodyBytes: 1_000, limits: {} },
  },
];

function web(answer = () => new Response(null)): HttpRouter {
  const handler = webHandler(answer);
  return { route: () => handler };
}

function large(): string {
  return "Content-Length: 2000000\r\n\r\n";
}

/** What comes back when `each` is sent for a page of `origin`, `undefined` for a program. */
async function play(each: PageCase, origin: string | undefined): Promise<string> {
  const { opening, rest = "\r\n", router = MIRROR_ROUTER, passedMs } = each;
  const context = new KnownContext({ limits: LIMITS, ...each.context, cors: CORS });
  const connection = new ScriptedConnection(router, context);
  const lines = origin === undefined ? opening : [...opening, `Origin: ${origin}`];
  const [head, end] = [`${lines.join("\r\n")}\r\n`, rest];
  await connection.send(head.slice(0, 30), head.slice(30), end);
  if (passedMs !== undefined) await connection.patrol.pass(passedMs);
  await connection.send();
  return connection.channel.sent;
}

for (const each of CASES) {
  test(`HTTP/1.1: ${each.name}: ${each.status}, for pages of allowed origins to read`, async () => {
    const allowed = await play(each, ALLOWED);
    assert.equal(statusesOf(allowed), [each.status]);
    assert.match(allowed, `access-control-allow-origin: ${ALLOWED}\r\n`);
    assert.match(allowed, /access-control-expose-headers: .*Grpc-Status-Details-Bin/);
    assert.match(allowed, "vary: Origin\r\n");
    const foreign = await play(each, FOREIGN);
    assert.equal(statusesOf(foreign), [each.status]);
    assert.not.match(foreign, "access-control");
    assert.match(foreign, "vary: Origin\r\n");
    const program = await play(each, undefined);
    assert.equal(statusesOf(program), [each.status]);
    assert.not.match(program, /access-control|vary/);
  });
}

test("HTTP/1.1: each answer on a connection is for its own page", async () => {
  const connection = new ScriptedConnection(MIRROR_ROUTER, new KnownContext({ cors: CORS }));
  const page = (origin: string) => request([...GET, `Origin: ${origin}`]);
  const sent = await connection.send(
    page(ALLOWED) + page(FOREIGN) + page(ALLOWED) + request(GET) + "bad\r\n\r\n",
  );
  assert.equal(statusesOf(sent), [200, 200, 200, 200, 400]);
  const allowed = sent.split("HTTP/1.1 ").slice(1).map((each) =>
    each.includes("access-control-allow-origin")
  );
  assert.equal(allowed, [true, false, true, false, false]);
});

test("HTTP/1.1: the origin of a refused head is read from its own lines only", () => {
  const told: readonly (readonly [head: string, origin: string | null])[] = [
    ["GET / HTTP/1.1\r\nORIGIN:\t https://a \r\n", "https://a"],
    ["GET / HTTP/1.1\nOrigin: https://a\n", "https://a"],
    ["GET / HTTP/1.1\r\nOrigin: https://a", null],
    ["GET / HTTP/1.1\r\nOrigin: https://a\r\nOrigin: https://a\r\n", null],
    ["GET / HTTP/1.1\r\n\r\nOrigin: https://a\r\n", null],
    ["Origin: https://a\r\n", null],
    ["GET /\r\n Origin: https://a\r\n", null],
    ["", null],
  ];
  for (const [head, origin] of told) assert.is(originIn(latinBytes(head), 0), origin, head);
});

test("HTTP/1.1: a preflight is answered wherever the call would go", async () => {
  for (const router of [MIRROR_ROUTER, THROWING, new GuardedRouter(new HostRule([]), MIRROR_ROUTER)]) {
    const preflight: PageCase = { name: "", status: 204, opening: ["OPTIONS /x HTTP/1.1", HOST], router };
    const allowed = await play(preflight, ALLOWED);
    assert.equal(statusesOf(allowed), [204]);
    assert.match(allowed, "access-control-allow-methods: POST, GET\r\n");
    assert.match(allowed, `access-control-allow-origin: ${ALLOWED}\r\n`);
    const foreign = await play(preflight, FOREIGN);
    assert.equal(statusesOf(foreign), [403]);
    assert.match(foreign, `--cors-origin ${FOREIGN}`);
    assert.not.match(foreign, "access-control");
  }
});

test("a port without pages has no such fields", async () => {
  const page = [...GET, `Origin: ${ALLOWED}`];
  const sent = await new ScriptedConnection().send(request(page) + "bad\r\n\r\n");
  assert.equal(statusesOf(sent), [200, 400]);
  assert.not.match(sent, /access-control|vary/);
  const preflight = await new ScriptedConnection().send(
    request(["OPTIONS / HTTP/1.1", HOST, `Origin: ${ALLOWED}`]),
  );
  assert.equal(statusesOf(preflight), [200], "the handler's answer");
});

/** The line that tells the head of the answer on stream 1. */
async function headLine(fields: readonly FieldPair[], options: Http2PeerOptions = {}): Promise<string> {
  const peer = await openHttp2Peer({ cors: CORS, limits: LIMITS, ...options });
  const hasBody = fields[0]![1] === "POST";
  await peer.send(headersFrame(1, fields, !hasBody));
  if (hasBody) await peer.send(dataFrame(1, new Uint8Array(10), true));
  const line = await peer.until("HEADERS 1 ");
  await peer.leave();
  return line;
}

const LARGE: FieldPair = ["a", "x".repeat(1_000)];

const HTTP2_CASES: readonly {
  readonly name: string;
  readonly status: number;
  readonly method?: string;
  readonly before?: readonly FieldPair[];
  readonly behind?: readonly FieldPair[];
  readonly options?: Http2PeerOptions;
}[] = [
  { name: "a handler's answer", status: 200 },
  { name: "a streamed answer", status: 200, options: { router: collecting().router } },
  { name: "a body above the limit", status: 413, method: "POST", options: { handler: echoHandler(1) } },
  { name: "a list too large behind", status: 431, behind: [LARGE] },
  { name: "a list too large before", status: 431, before: [LARGE] },
  { name: "another name", status: 421, options: { router: guarded() } },
  { name: "a router that throws", status: 500, options: { router: THROWING } },
  { name: "a handler that throws", status: 500, options: { router: BROKEN_HANDLER } },
  { name: "a stream that throws", status: 500, options: { router: BROKEN_STREAM } },
  { name: "a preflight", status: 204, method: "OPTIONS", options: { router: THROWING } },
];

function guarded(): HttpRouter {
  return {
    route: (head) => new GuardedRouter(new HostRule([]), MIRROR_ROUTER).route({ ...head, authority: "b" }),
  };
}

for (const { name, status, method = "GET", before = [], behind = [], options } of HTTP2_CASES) {
  test(`HTTP/2: ${name}: ${status}, for pages of allowed origins to read`, async () => {
    const fields = (origin: string): FieldPair[] =>
      requestFields(method, ...before, ["origin", origin], ...behind);
    const allowed = await headLine(fields(ALLOWED), options);
    assert.match(allowed, `HEADERS 1 ${status} `);
    assert.match(allowed, ` Origin ${ALLOWED} `);
    assert.match(allowed, /Grpc-Status-Details-Bin/);
    const foreign = await headLine(fields(FOREIGN), options);
    assert.match(foreign, `HEADERS 1 ${status === 204 ? 403 : status} `);
    assert.match(foreign, / Origin( |$)/);
    assert.not.match(foreign, /https:|Grpc-Status-Details-Bin/);
    if (status === 204) return;
    assert.not.match(await headLine(requestFields(method, ...before, ...behind), options), "Origin");
  });
}

test.run();
