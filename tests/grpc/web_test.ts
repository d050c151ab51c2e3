/**
 * Unary gRPC-Web from bytes to bytes: what is sent, and that the head alone is enough to refuse. That it
 * answers like all other ways in is held by `tests/conformance/`.
 *
 * @module
 */

import { gunzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetRequestSchema, KvService, PutRequestSchema } from "../../proto/mod.ts";
import { router } from "../conformance/asking.ts";
import { envelope, gzip, pathOf } from "../conformance/callers.ts";
import { FakeNode } from "../conformance/fake_node.ts";
import { assert, suite } from "../harness.ts";
import { askRouter, type FakeAnswer, headOf } from "../support/fake_exchange.ts";

const test = suite("gRPC-Web");
const TYPE = "application/grpc-web+proto";
const KEY = Uint8Array.of(1);
const PUT = toBinary(PutRequestSchema, create(PutRequestSchema, { key: KEY, value: new Uint8Array(5_000) }));
const GET = toBinary(GetRequestSchema, create(GetRequestSchema, { key: KEY }));
const put = pathOf(KvService.method.put);
const get = pathOf(KvService.method.get);

/** One envelope of a body. */
interface Part {
  readonly flags: number;
  readonly bytes: Uint8Array;
}

function partsOf({ body }: FakeAnswer): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < body.length;) {
    const length = new DataView(body.buffer, body.byteOffset + at + 1).getUint32(0);
    parts.push({ flags: body[at]!, bytes: body.subarray(at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return parts;
}

function textOf({ bytes }: Part): string {
  return new TextDecoder().decode(bytes);
}

test("an answer is a message and the status behind it, in either spelling of the type", async () => {
  for (const type of [TYPE, "application/grpc-web"]) {
    const answer = await askRouter(router(), {
      path: put,
      headers: { "content-type": type },
      body: envelope(PUT),
      version: "1.1",
    });
    assert.equal([answer.status, [...answer.trailers]], [200, []]);
    assert.equal([...answer.headers], [["content-type", TYPE], ["grpc-accept-encoding", "gzip,identity"]]);
    const [message, status, ...more] = partsOf(answer);
    assert.equal([message!.flags, status!.flags, more], [0, 0x80, []]);
    assert.is(textOf(status!), "grpc-status: 0\r\n");
  }
});

test("a failure is the status alone, with its words and details", async () => {
  const failure = async (message: Uint8Array<ArrayBuffer>) => {
    const headers = { "content-type": TYPE };
    const answer = await askRouter(router(), { path: put, headers, body: envelope(message) });
    const [status, ...more] = partsOf(answer);
    assert.equal([answer.status, status!.flags, more], [200, 0x80, []]);
    return textOf(status!);
  };
  assert.match(
    await failure(Uint8Array.of(0xff)),
    /^grpc-status: 3\r\ngrpc-message: Cannot decode prkdb\.v1\.PutRequest[^\r\n]*\r\n$/,
  );
  const precondition = { expected: { case: "version", value: 9n } } as const;
  const wrong = toBinary(PutRequestSchema, create(PutRequestSchema, { key: KEY, precondition }));
  const details = /^grpc-status: 9\r\ngrpc-message: [^\r\n]+\r\ngrpc-status-details-bin: [A-Za-z0-9+/]+\r\n$/;
  assert.match(await failure(wrong), details);
});

test("a caller who compresses is answered compressed", async () => {
  const routes = router({ node: new FakeNode() });
  const headers = { "content-type": TYPE, "grpc-encoding": "gzip", "grpc-accept-encoding": "gzip" };
  const folded = async (message: Uint8Array<ArrayBuffer>) => {
    const body = envelope(await gzip(message));
    body[0] = 1;
    return body;
  };
  await askRouter(routes, { path: put, headers, body: await folded(PUT) });
  const answer = await askRouter(routes, { path: get, headers, body: await folded(GET) });
  assert.is(answer.headers.get("grpc-encoding"), "gzip");
  const [message, status] = partsOf(answer);
  assert.equal([message!.flags, textOf(status!)], [1, "grpc-status: 0\r\n"]);
  assert.ok(gunzipSync(message!.bytes).length > 5_000);
});

test("what the head tells is refused without a body, and so is a body that is too large", () => {
  const headers = { "content-type": TYPE, "prkdb-cluster": "another" };
  const head = headOf({ path: put, headers });
  const handler = router().route(head);
  assert.ok(handler.kind === "whole");
  const early = handler.refuseHead!(head)!;
  assert.match(new TextDecoder().decode(early.body), /grpc-status: 9\r\n/);
  const large = handler.refuse(head, "tooLarge");
  assert.match(new TextDecoder().decode(large.body), /grpc-status: 3\r\n/);
});

test.run();
