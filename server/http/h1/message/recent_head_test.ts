/**
 * A head that is like the last one is read like the last one, and no other is.
 *
 * @module
 */

import { assert, suite } from "../../../../tests/harness.ts";
import { parseHead } from "./head_parser.ts";
import { RecentHead } from "./recent_head.ts";

const HEAD = "POST /a HTTP/1.1\r\nHost: name:1\r\nContent-Length: 10\r\nX-Other: value\r\n\r\n";

const test = suite("recent heads");

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function read(recent: RecentHead, text: string): void {
  const bytes = bytesOf(text);
  recent.read(bytes, 0, bytes.length);
}

test("nothing is remembered at first", () => {
  assert.is(new RecentHead("http").again(bytesOf(HEAD), 0), undefined);
});

test("the same bytes are the same head, wherever they stand and whatever follows", () => {
  const recent = new RecentHead("http");
  read(recent, HEAD);
  for (const before of ["", "body of another"]) {
    const bytes = bytesOf(`${before}${HEAD}0123456789`);
    const again = recent.again(bytes, before.length);
    assert.is(recent.length, HEAD.length);
    assert.equal(again, parseHead(bytesOf(HEAD), { start: 0, end: HEAD.length, scheme: "http" }));
  }
});

test("a head that differs in one byte, or is cut anywhere, is not the same", () => {
  const recent = new RecentHead("http");
  read(recent, HEAD);
  const bytes = bytesOf(HEAD);
  for (let at = 0; at < bytes.length; at++) {
    assert.is(recent.again(bytes.subarray(0, at), 0), undefined);
    bytes[at]! ^= 0x20;
    assert.is(recent.again(bytes, 0), undefined);
    bytes[at]! ^= 0x20;
  }
});

test("what is remembered does not change with the block that it came in", () => {
  const recent = new RecentHead("http");
  const block = bytesOf(HEAD);
  recent.read(block, 0, block.length);
  block.fill(0);
  const again = recent.again(bytesOf(HEAD), 0);
  assert.is(again?.head.headers.get("x-other"), "value");
  assert.is(again?.framing.bodyBytes, 10);
});

test("a refused head and a long one are not remembered; the one before them still is", () => {
  const recent = new RecentHead("http");
  read(recent, HEAD);
  const others = [HEAD.replace(": value", " : value"), HEAD.replace("value", "v".repeat(1_024))];
  for (const other of others) {
    read(recent, other);
    assert.is(recent.again(bytesOf(other), 0), undefined);
    assert.ok(recent.again(bytesOf(HEAD), 0) !== undefined);
  }
});

test.run();
