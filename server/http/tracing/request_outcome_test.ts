/**
 * How requests ended, read from answers as each protocol has them, cut anywhere.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { joinChunks, type RequestLabel } from "../mod.ts";
import { OutcomeReader } from "./request_outcome.ts";

const test = suite("outcome of requests");
const JSON_TYPE = [["content-type", "application/json"]] as const;
const STREAM_TYPE = [["content-type", "application/connect+proto"]] as const;
const WEB_TYPE = [["content-type", "application/grpc-web+proto"]] as const;

function reader(protocol?: NonNullable<RequestLabel["protocol"]>): OutcomeReader {
  return new OutcomeReader(protocol === undefined ? {} : { protocol });
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function envelope(flags: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + content.length);
  new DataView(bytes.buffer).setUint32(1, content.length);
  bytes[0] = flags;
  bytes.set(content, 5);
  return bytes;
}

/** The answer as a whole, and in two pieces, cut at each place. */
function eachCut(bytes: Uint8Array, judge: (pieces: readonly Uint8Array[]) => void): void {
  for (let at = 0; at <= bytes.length; at++) judge([bytes.subarray(0, at), bytes.subarray(at)]);
}

test("of what is no call the status of HTTP is all there is", () => {
  const page = reader();
  page.head(404, JSON_TYPE);
  page.bytes(utf8('{"code":"not_found"}'));
  assert.equal(page.end(), { status: 404 });
});

test("gRPC has its status among the trailers, or among the headers", () => {
  const ended = reader("grpc");
  ended.head(200, [["content-type", "application/grpc"]]);
  ended.bytes(envelope(0x80, utf8("grpc-status: 5\r\n")));
  assert.equal(ended.end([["grpc-status", "9"]]), { status: 200, grpcStatus: 9 });
  const refused = reader("grpc");
  refused.head(200, [["content-type", "application/grpc"], ["grpc-status", "12"]]);
  assert.equal(refused.end(), { status: 200, grpcStatus: 12 });
  const odd = reader("grpc");
  odd.head(200, []);
  assert.equal(odd.end([["grpc-status", "so-so"]]), { status: 200 });
});

test("Connect has the code of a unary call in its body", () => {
  const body = utf8('{"code":"failed_precondition","message":"é"}');
  eachCut(body, (pieces) => {
    const failed = reader("connect");
    failed.head(400, JSON_TYPE);
    for (const piece of pieces) failed.bytes(piece);
    assert.equal(failed.end(), { status: 400, connectCode: "failed_precondition" });
  });
  const done = reader("connect");
  done.head(200, JSON_TYPE);
  done.bytes(utf8('{"code":"not_an_error"}'));
  assert.equal(done.end(), { status: 200 });
  for (const text of ["", "null", "[]", "<html>", '{"code":5}']) {
    const page = reader("connect");
    page.head(421, JSON_TYPE);
    page.bytes(utf8(text));
    assert.equal(page.end(), { status: 421 }, text);
  }
});

test("Connect's word for cancelled is spelled as conventions do", () => {
  const cancelled = reader("connect");
  cancelled.head(499, JSON_TYPE);
  cancelled.bytes(utf8('{"code":"canceled"}'));
  assert.equal(cancelled.end(), { status: 499, connectCode: "cancelled" });
});

test("an error that is too long to be one is not kept", () => {
  const long = reader("connect");
  long.head(500, JSON_TYPE);
  for (let at = 0; at < 3; at++) long.bytes(utf8(" ".repeat(30_000)));
  long.bytes(utf8('{"code":"internal"}'));
  assert.equal(long.end(), { status: 500 });
});

test("streams of Connect and of gRPC-Web end with an envelope, wherever they are cut", () => {
  const message = envelope(0, utf8("a message"));
  const connect = (end: string, flags = 2) => {
    const envelopes = [message, message, envelope(flags, utf8(end))];
    return joinChunks(envelopes, envelopes.reduce((sum, { length }) => sum + length, 0));
  };
  eachCut(connect('{"error":{"code":"unavailable"},"metadata":{}}'), (pieces) => {
    const failed = reader("connect");
    failed.head(200, STREAM_TYPE);
    for (const piece of pieces) failed.bytes(piece);
    assert.equal(failed.end(), { status: 200, connectCode: "unavailable" });
  });
  for (
    const [end, flags] of [["{}", 2], ["", 2], ['{"error":{"code":"internal"}}', 0], ["\x1f\x8b", 3]] as const
  ) {
    const done = reader("connect");
    done.head(200, STREAM_TYPE);
    done.bytes(connect(end, flags));
    assert.equal(done.end(), { status: 200 }, end);
  }
  eachCut(
    joinChunks([message, envelope(0x80, utf8("grpc-status: 4\r\ngrpc-message: x\r\n"))], 52),
    (pieces) => {
      const web = reader("grpcWeb");
      web.head(200, WEB_TYPE);
      for (const piece of pieces) web.bytes(piece);
      assert.equal(web.end(), { status: 200, grpcStatus: 4 });
    },
  );
  const refused = reader("grpcWeb");
  refused.head(200, [...WEB_TYPE, ["grpc-status", "3"]]);
  assert.equal(refused.end(), { status: 200, grpcStatus: 3 });
});

test("gRPC-Web as text is read chunk by chunk", () => {
  const text = reader("grpcWeb");
  text.head(200, [["content-type", "application/grpc-web-text+proto"]]);
  for (const part of [envelope(0, utf8("a message")), envelope(0x80, utf8("grpc-status: 9\r\n"))]) {
    text.bytes(utf8(btoa(String.fromCharCode(...part))));
  }
  assert.equal(text.end(), { status: 200, grpcStatus: 9 });
  const odd = reader("grpcWeb");
  odd.head(200, [["content-type", "application/grpc-web-text"]]);
  odd.bytes(utf8("*"));
  assert.equal(odd.end(), { status: 200 });
});

test("an end that is cut off, or larger than any, says nothing", () => {
  const cut = reader("connect");
  cut.head(200, STREAM_TYPE);
  cut.bytes(envelope(2, utf8('{"error":{"code":"internal"}}')).subarray(0, 20));
  assert.equal(cut.end(), { status: 200 });
  const large = reader("connect");
  large.head(200, STREAM_TYPE);
  large.bytes(envelope(2, utf8(`{"error":{"code":"internal"}}${" ".repeat(70_000)}`)));
  assert.equal(large.end(), { status: 200 });
});

test("callers who leave have cancelled their call, and a broken answer is told", () => {
  assert.equal(reader().left(), {});
  assert.equal(reader("grpc").left(), { grpcStatus: 1 });
  const web = reader("grpcWeb");
  web.head(200, WEB_TYPE);
  assert.equal(web.left(), { status: 200, grpcStatus: 1 });
  assert.equal(reader("connect").left(), { connectCode: "cancelled" });
  const broken = reader("connect");
  broken.head(200, STREAM_TYPE);
  assert.equal(broken.broken(), { status: 200, isBrokenOff: true });
});

test.run();
