/**
 * gRPC-Web as text: base64 in pieces of any size, padded anywhere, with streams told as they come; and what
 * is none.
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { ClusterService, KvService, PutRequestSchema, WatchChangesRequestSchema } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { BASE, handler } from "./asking.ts";
import { envelope, pathOf } from "./callers.ts";
import { bytes } from "./case.ts";
import { begunChange, FakeNode } from "./fake_node.ts";

const test = suite("gRPC-Web as text");
const { put } = KvService.method;
const PUT = envelope(
  toBinary(PutRequestSchema, create(PutRequestSchema, { key: bytes("a"), value: bytes("12") })),
);

/** Sends `pieces` of a text as chunks of their own. */
async function ask(pieces: readonly string[], type = "application/grpc-web-text"): Promise<Response> {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(bytes(piece));
      controller.close();
    },
  });
  const headers = { "content-type": type };
  return await handler()(new Request(BASE + pathOf(put), { method: "POST", headers, body }));
}

/** The trailers of an answer, the head's if there is nothing else. */
async function statusOf(response: Response): Promise<string> {
  const parts = (await response.text()).match(/[^=]+=*/g) ?? [];
  const text = parts.map((part) => new TextDecoder().decode(base64Decode(part))).join("");
  return /grpc-status: ?(\d+)/.exec(text)?.[1] ?? response.headers.get("grpc-status") ?? "none";
}

test("a text may be cut and padded anywhere", async () => {
  const whole = base64Encode(PUT);
  assert.is(await statusOf(await ask([whole])), "0");
  assert.is(await statusOf(await ask([...whole])), "0", "every character by itself");
  for (let at = 1; at < PUT.length; at++) {
    const parts = [base64Encode(PUT.subarray(0, at)), base64Encode(PUT.subarray(at))];
    assert.is(await statusOf(await ask([parts.join("")])), "0", parts.join(" "));
    assert.is(await statusOf(await ask(parts)), "0", parts.join(" | "));
  }
});

test("it is answered as text, by its own type, in either codec", async () => {
  for (
    const type of [
      "application/grpc-web-text",
      "application/grpc-web-text+proto",
      "Application/gRPC-Web-Text",
    ]
  ) {
    const response = await ask([base64Encode(PUT)], type);
    assert.is(response.headers.get("content-type"), "application/grpc-web-text+proto", type);
    assert.match(await response.text(), /^[A-Za-z0-9+/=]+$/);
  }
  const json = await ask([base64Encode(envelope(bytes('{"key":"YQ=="}')))], "application/grpc-web-text+json");
  assert.is(json.headers.get("content-type"), "application/grpc-web-text+json");
  assert.is(await statusOf(json), "0");
  const unknown = await ask([base64Encode(PUT)], "application/grpc-web-text+thrift");
  assert.is(unknown.status, 415);
  assert.match((await unknown.json()).message, /application\/grpc-web-text/);
});

test("what is no base64, or ends within it, is the caller's mistake", async () => {
  const whole = base64Encode(PUT);
  const faults = ["####", "\u00e4\u00e4", "A", "A===", "====", "=AAA", "AA A", "AAA\n"];
  for (const fault of faults) {
    for (const pieces of [[whole, fault], [whole.slice(0, 4), fault], [fault, whole]]) {
      const status = await statusOf(await ask(pieces));
      assert.is(status, "3", pieces.join(" "));
    }
  }
  assert.is(await statusOf(await ask([whole.slice(0, -1)])), "3", "cut");
  assert.is(await statusOf(await ask([])), "3", "no envelope");
});

test("a stream is told while it comes", async () => {
  const node = new FakeNode();
  const { watchChanges } = ClusterService.method;
  const body = base64Encode(
    envelope(toBinary(WatchChangesRequestSchema, create(WatchChangesRequestSchema, {}))),
  );
  const response = await handler({ node })(
    new Request(BASE + pathOf(watchChanges), {
      method: "POST",
      headers: { "content-type": "application/grpc-web-text" },
      body,
    }),
  );
  const reader = response.body!.getReader();
  const tell = (changeId: string) => node.showChanges([begunChange(changeId)]);
  const first = reader.read();
  tell("one");
  assert.match(decoded((await first).value), /one/);
  const second = reader.read();
  tell("two");
  assert.match(decoded((await second).value), /two/);
  await reader.cancel();
});

/** A chunk of an answer, each of which can be decoded by itself. */
function decoded(chunk: Uint8Array | undefined): string {
  return new TextDecoder().decode(base64Decode(new TextDecoder().decode(chunk)));
}

test.run();
