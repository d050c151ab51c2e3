/**
 * Which heads are read and which are refused, with which status; after a refusal the connection ends.
 *
 * @module
 */

import { FIELDS_MAX, HEAD_SURPLUS_BYTES } from "../../server/http/h1/message/mod.ts";
import { assert, suite } from "../harness.ts";
import {
  bodyOf,
  KnownContext,
  plain,
  request,
  ScriptedConnection,
  statusesOf,
  wholeRouter,
} from "./h1_fixture.ts";

const test = suite("heads of HTTP/1.1");
const HOST = "Host: a.example:1";

/** Heads that are refused: a name, the lines of the head, the status. */
const REFUSED: readonly (readonly [why: string, lines: readonly string[], status: number])[] = [
  ["a folded line", ["GET / HTTP/1.1", HOST, "A: b", " c"], 400],
  ["a folded line with a tab", ["GET / HTTP/1.1", HOST, "A: b", "\tc"], 400],
  ["white space before the first field", ["GET / HTTP/1.1", " A: b", HOST], 400],
  ["a bare CR in a value", ["GET / HTTP/1.1", HOST, "A: b\rc"], 400],
  ["a bare CR in front of a line", ["GET / HTTP/1.1", HOST, "\rA: b"], 400],
  ["a bare LF in a value", ["GET / HTTP/1.1", HOST, "A: b\nc: d"], 400],
  ["a bare LF behind the first line", ["GET / HTTP/1.1\nA: b", HOST], 400],
  ["NUL in a value", ["GET / HTTP/1.1", HOST, "A: b\0c"], 400],
  ["NUL in a name", ["GET / HTTP/1.1", HOST, "A\0: b"], 400],
  ["another control character", ["GET / HTTP/1.1", HOST, "A: b\x01c"], 400],
  ["DEL in a value", ["GET / HTTP/1.1", HOST, "A: b\x7f"], 400],
  ["a space before the colon", ["GET / HTTP/1.1", HOST, "A : b"], 400],
  ["a tab before the colon", ["GET / HTTP/1.1", HOST, "Content-Length\t: 0"], 400],
  ["no colon", ["GET / HTTP/1.1", HOST, "A"], 400],
  ["no name", ["GET / HTTP/1.1", HOST, ": b"], 400],
  ["a name above ASCII", ["GET / HTTP/1.1", HOST, "\xe4: b"], 400],
  ["a length with chunks", ["POST / HTTP/1.1", HOST, "Content-Length: 1", "Transfer-Encoding: chunked"], 400],
  ["chunks with a length", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked", "Content-Length: 0"], 400],
  ["two lengths", ["POST / HTTP/1.1", HOST, "Content-Length: 1", "Content-Length: 2"], 400],
  ["two lengths in one field", ["POST / HTTP/1.1", HOST, "Content-Length: 1, 2"], 400],
  ["a negative length", ["POST / HTTP/1.1", HOST, "Content-Length: -1"], 400],
  ["a length with a sign", ["POST / HTTP/1.1", HOST, "Content-Length: +1"], 400],
  ["a length in hexadecimal", ["POST / HTTP/1.1", HOST, "Content-Length: 0x1"], 400],
  ["an empty length", ["POST / HTTP/1.1", HOST, "Content-Length:"], 400],
  ["a length beyond numbers", ["POST / HTTP/1.1", HOST, "Content-Length: 9999999999999999"], 400],
  ["chunks in 1.0", ["POST / HTTP/1.0", HOST, "Transfer-Encoding: chunked"], 400],
  ["gzip in 1.0", ["POST / HTTP/1.0", HOST, "Transfer-Encoding: gzip"], 400],
  ["chunks twice", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked, chunked"], 400],
  ["chunks twice in two fields", [
    "POST / HTTP/1.1",
    HOST,
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
  ], 400],
  ["chunks not last", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked, gzip"], 400],
  ["another coding", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: gzip, chunked"], 501],
  ["only another coding", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: xchunked"], 501],
  ["the coding identity", ["POST / HTTP/1.1", HOST, "Transfer-Encoding: identity"], 501],
  ["no Host", ["GET / HTTP/1.1", "A: b"], 400],
  ["no field at all", ["GET / HTTP/1.1"], 400],
  ["two Hosts", ["GET / HTTP/1.1", HOST, HOST], 400],
  ["two Hosts in 1.0", ["GET / HTTP/1.0", HOST, HOST], 400],
  ["an empty Host", ["GET / HTTP/1.1", "Host:"], 400],
  ["half an address as Host", ["GET / HTTP/1.1", "Host: ["], 400],
  ["a bad address as Host", ["GET / HTTP/1.1", "Host: [::1"], 400],
  ["a Host with a path", ["GET / HTTP/1.1", "Host: a/b"], 400],
  ["a Host with a user", ["GET / HTTP/1.1", "Host: a@b"], 400],
  ["a Host with a space", ["GET / HTTP/1.1", "Host: a b"], 400],
  ["a Host with a bad port", ["GET / HTTP/1.1", "Host: a:b"], 400],
  ["a Host with a high port", ["GET / HTTP/1.1", "Host: a:65536"], 400],
  ["a relative target", ["GET a HTTP/1.1", HOST], 400],
  ["a target of another scheme", ["GET ftp://a/ HTTP/1.1", HOST], 400],
  ["a target without a host", ["GET http:/// HTTP/1.1", HOST], 400],
  ["a target with a fragment", ["GET /a#b HTTP/1.1", HOST], 400],
  ["a target above ASCII", ["GET /\xe4 HTTP/1.1", HOST], 400],
  ["a target with a control character", ["GET /\x01 HTTP/1.1", HOST], 400],
  ["the target * of GET", ["GET * HTTP/1.1", HOST], 400],
  ["an empty target", ["GET  HTTP/1.1", HOST], 400],
  ["two spaces", ["GET  / HTTP/1.1", HOST], 400],
  ["a tab in the first line", ["GET\t/ HTTP/1.1", HOST], 400],
  ["a space behind the version", ["GET / HTTP/1.1 ", HOST], 400],
  ["a space before the method", [" GET / HTTP/1.1", HOST], 400],
  ["no version", ["GET /", HOST], 400],
  ["a version in lower case", ["GET / http/1.1", HOST], 400],
  ["a version of one digit", ["GET / HTTP/1", HOST], 400],
  ["a version of three digits", ["GET / HTTP/1.10", HOST], 400],
  ["a later version", ["GET / HTTP/2.0", HOST], 505],
  ["the preface of HTTP/2", ["PRI * HTTP/2.0"], 505],
  ["a method with a slash", ["G/T / HTTP/1.1", HOST], 400],
  ["a handshake of TLS", ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400],
  ["a tunnel", ["CONNECT a:1 HTTP/1.1", HOST], 501],
  ["an unknown expectation", ["POST / HTTP/1.1", HOST, "Expect: 200-maybe", "Content-Length: 1"], 417],
];

test("what is not strictly in the grammar is refused, and the connection ends", async () => {
  for (const [why, lines, status] of REFUSED) {
    const peer = new ScriptedConnection(wholeRouter(() => plain(200, "served")));
    const sent = await peer.send(request(lines), request(["GET /next HTTP/1.1", HOST]));
    assert.equal(statusesOf(sent), [status], why);
    assert.match(sent, "connection: close\r\n", why);
    assert.ok(peer.channel.hasEndedWriting, why);
    peer.channel.arriveEnd();
    await peer.send();
    assert.ok(peer.isOver, why);
  }
});

/** Heads that are served: their lines and what the handler is told. */
const SERVED: readonly (readonly [lines: readonly string[], told: string])[] = [
  [["GET /a?b HTTP/1.1", HOST], "GET /a?b a.example:1 "],
  [["GET / HTTP/1.1", "hOsT:  a \t"], "GET / a "],
  [["GET / HTTP/1.1", "Host: [::1]:80"], "GET / [::1]:80 "],
  [["GET / HTTP/1.1", "Host: a:"], "GET / a: "],
  [["GET / HTTP/1.9", HOST], "GET / a.example:1 "],
  [["GET / HTTP/1.0"], "GET /  "],
  [['M-SEARCH /"<>{}|^` HTTP/1.1', HOST], 'M-SEARCH /"<>{}|^` a.example:1 '],
  [["get / HTTP/1.1", HOST], "get / a.example:1 "],
  [["GET http://b.example:2/c?d HTTP/1.1", HOST], "GET /c?d b.example:2 "],
  [["GET HTTPS://b.example HTTP/1.1", HOST], "GET / b.example "],
  [["GET http://b?c HTTP/1.1", HOST], "GET /?c b "],
  [["OPTIONS * HTTP/1.1", HOST], "OPTIONS * a.example:1 "],
  [["OPTIONS http://b:1 HTTP/1.1", HOST], "OPTIONS * b:1 "],
  [["GET / HTTP/1.1", HOST, "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"], "GET / a.example:1 "],
  [["GET / HTTP/1.1", HOST, "Empty:", "Odd: \xe4\t\xff"], "GET / a.example:1 "],
  [["POST / HTTP/1.1", HOST, "Content-Length: 0"], "POST / a.example:1 "],
  [["POST / HTTP/1.1", HOST, "Content-Length: 00", "content-length: 0"], "POST / a.example:1 "],
  [["GET / HTTP/1.0", "Expect: 200-maybe"], "GET /  "],
  [["", "", "GET / HTTP/1.1", HOST], "GET / a.example:1 "],
];

test("what is in the grammar is served, and another request may follow", async () => {
  for (const [lines, told] of SERVED) {
    const peer = new ScriptedConnection();
    const sent = await peer.send(request(lines));
    assert.equal(statusesOf(sent), [200], lines[0]);
    assert.is(bodyOf(sent), told);
    if (lines[0]?.includes("HTTP/1.0") === true) continue;
    assert.equal(statusesOf(await peer.send(request(["GET / HTTP/1.1", HOST]))), [200, 200]);
  }
});

test("a handler finds fields by name, joined if repeated, and all of them in order", async () => {
  const seen: unknown[] = [];
  const peer = new ScriptedConnection(wholeRouter(({ headers }) => {
    seen.push(headers.get("a"), headers.get("b"), headers.get("c"), [...headers]);
    return plain(200, "");
  }));
  await peer.send(request(["GET / HTTP/1.1", HOST, "A: 1", "aB: no", "a:2", "B: \xe4"]));
  assert.equal(seen, ["1, 2", "\xe4", null, [
    ["host", "a.example:1"],
    ["a", "1"],
    ["ab", "no"],
    ["a", "2"],
    ["b", "\xe4"],
  ]]);
});

test("a head has a number of bytes and of fields at most", async () => {
  const context = new KnownContext({ limits: { headBytesMax: 1_000 } });
  const opening = request(["GET / HTTP/1.1", HOST, "A: "]).length;
  const sized = (bytes: number) => request(["GET / HTTP/1.1", HOST, `A: ${"x".repeat(bytes - opening)}`]);
  assert.equal(statusesOf(await new ScriptedConnection(undefined, context).send(sized(1_000))), [200]);
  assert.equal(statusesOf(await new ScriptedConnection(undefined, context).send(sized(1_001))), [431]);
  // A bit above it the end is waited for.
  const endless = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await endless.send("x".repeat(1_000 + HEAD_SURPLUS_BYTES))), []);
  assert.equal(statusesOf(await endless.send("x")), [431]);
  assert.equal(context.reached, ["head_bytes", "head_bytes"]);
  const withFields = (count: number) => ["GET / HTTP/1.1", HOST, ...Array(count - 1).fill("A: b")];
  assert.equal(statusesOf(await new ScriptedConnection().send(request(withFields(FIELDS_MAX)))), [200]);
  assert.equal(statusesOf(await new ScriptedConnection().send(request(withFields(FIELDS_MAX + 1)))), [431]);
});

test("a long head that comes in parts has its place in memory or is refused", async () => {
  const context = new KnownContext({ bodyBytes: 60_000 });
  const opening = `GET / HTTP/1.1\r\n${HOST}\r\n`;
  const line = `A: ${"x".repeat(995)}\r\n`;
  const long = new ScriptedConnection(undefined, context);
  assert.is(await long.send(opening, ...Array(20).fill(line)), "");
  assert.ok(context.bodies.usedBytes >= 20_000 && context.bodies.usedBytes <= 45_000);
  const second = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await second.send(opening, ...Array(30).fill(line))), [503]);
  const small = new ScriptedConnection(undefined, context);
  assert.equal(statusesOf(await small.send(opening, line, "\r\n")), [200]);
  assert.equal(statusesOf(await long.send("\r\n")), [200]);
  assert.is(context.bodies.usedBytes, 0);
  const killed = new ScriptedConnection(undefined, context);
  await killed.send(opening, ...Array(20).fill(line));
  assert.ok(context.bodies.usedBytes > 0);
  killed.channel.breakOff();
  await killed.send();
  assert.is(context.bodies.usedBytes, 0);
});

test.run();
