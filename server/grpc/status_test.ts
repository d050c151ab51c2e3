/**
 * How a call ended, as header fields that others read.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { ErrorInfoSchema } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { grpcStatusOf, percentEncode } from "./status.ts";

const test = suite("gRPC status");

test("a message is printable ASCII, whatever it was", () => {
  assert.is(percentEncode("plain text, as it is: 1 + 1 = 2~"), "plain text, as it is: 1 + 1 = 2~");
  assert.is(percentEncode("100 %\n\u0000\u007f"), "100 %25%0A%00%7F");
  assert.is(percentEncode("ä…🙂"), "%C3%A4%E2%80%A6%F0%9F%99%82");
  // Half of a pair is no character: it is replaced, and does not throw.
  assert.is(percentEncode("\ud83d"), "%EF%BF%BD");
  for (const text of ["ä…🙂", "100 %", "line\r\nline"]) {
    assert.is(decodeURIComponent(percentEncode(text)), text);
    assert.match(percentEncode(text), /^[ -~]*$/);
  }
});

test("an error without details has none", () => {
  assert.equal(grpcStatusOf(new ConnectError("no", Code.Unavailable)), [
    ["grpc-status", "14"],
    ["grpc-message", "no"],
  ]);
  assert.equal(grpcStatusOf(new ConnectError("", Code.Internal)), [["grpc-status", "13"]]);
});

/** The error, as a client of others reads it. */
function readByOthers(error: ConnectError): ConnectError {
  return findTrailerError(new Headers(grpcStatusOf(error).map(([name, value]) => [name, value])))!;
}

test("details stand in a status, base64 without padding", () => {
  const detail = { desc: ErrorInfoSchema, value: { reason: "PRECONDITION", currentVersion: 7n } };
  const sent = new ConnectError("größer", Code.FailedPrecondition, undefined, [detail, detail]);
  assert.not.match(new Map(grpcStatusOf(sent)).get("grpc-status-details-bin")!, /=/);
  const read = readByOthers(sent);
  assert.is(read.code, Code.FailedPrecondition);
  assert.is(read.rawMessage, "größer");
  assert.equal(read.details.map((each) => "type" in each ? each.type : ""), [
    "prkdb.v1.ErrorInfo",
    "prkdb.v1.ErrorInfo",
  ]);
  assert.equal(
    read.findDetails(ErrorInfoSchema).map(({ reason, currentVersion }) => [reason, currentVersion]),
    [
      ["PRECONDITION", 7n],
      ["PRECONDITION", 7n],
    ],
  );
});

test("a detail that came from elsewhere is handed on as it is", () => {
  const sent = new ConnectError("x", Code.Aborted);
  sent.details = [{ type: "a.B", value: Uint8Array.of(1, 2) }];
  const [detail] = readByOthers(sent).details;
  assert.ok(detail !== undefined && "type" in detail);
  assert.is(detail.type, "a.B");
  assert.equal([...detail.value], [1, 2]);
});

test.run();
