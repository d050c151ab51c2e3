/**
 * What goes in comes out: keys and values through the client are neither merged, repaired nor changed later.
 *
 * @module
 */

import type { BatchMutation, Bytes } from "../../client/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("values through the client");

const isTypeError = (pattern: RegExp) => (error: Error) =>
  error instanceof TypeError && pattern.test(error.message);

test("two keys never become one: text with half of a pair is refused, with its position", () =>
  inCluster(async (cluster, client) => {
    for (const [text, position] of [["\ud800", 0], ["a\udc00b", 1], ["\u{1f600}\ud83d", 2]] as const) {
      const refusal = isTypeError(new RegExp(`this key: .*U\\+D[8C]\\w\\w|position ${position}`));
      await assertRejects(() => client.put(text, "x"), refusal);
      await assertRejects(() => client.get(text), isTypeError(new RegExp(`position ${position},`)));
      await assertRejects(() => client.delete(text), isTypeError(/this key/));
      await assertRejects(() => client.getMany(["ok", text]), isTypeError(/this key/));
      await assertRejects(() => client.put("k", text), isTypeError(/this value/));
      await assertRejects(
        () => client.writeBatch([{ kind: "put", key: "k", value: text }]),
        isTypeError(/this value/),
      );
    }
    assert.is(cluster.calls.length, 0);
    await client.put("\u{1f600}", "whole pairs are characters");
    assert.is(await client.getText("\u{1f600}"), "whole pairs are characters");
  }));

test("text keeps its byte order mark, and JSON does not mind it", () =>
  inCluster(async (_, client) => {
    await client.put("mark", "\ufeff{}");
    assert.is(await client.getText("mark"), "\ufeff{}");
    assert.equal(await client.getJson("mark"), {});
    await client.put("only", "\ufeff");
    assert.is(await client.getText("only"), "\ufeff");
  }));

test("bytes that are not UTF-8 are an error as text, and stay what they are as bytes", () =>
  inCluster(async (_, client) => {
    await client.put("bytes", Uint8Array.of(0xff, 0x41));
    for (let repeated = 0; repeated < 2; repeated++) {
      await assertRejects(() => client.getText("bytes"), isTypeError(/not UTF-8/));
      await assertRejects(() => client.getJson("bytes"), isTypeError(/not UTF-8/));
    }
    assert.equal(await client.get("bytes"), Uint8Array.of(0xff, 0x41));
    await client.put("bytes", "\ufffd is a character like others");
    assert.is(await client.getText("bytes"), "\ufffd is a character like others");
  }));

test("arrays that are changed after the call change nothing", () =>
  inCluster(async (cluster, client) => {
    const key = new TextEncoder().encode("key");
    const value = Uint8Array.of(1, 2, 3);
    let failures = 2;
    // Encoded again at every attempt.
    cluster.fault = () => failures-- > 0 ? { kind: "loseAnswer" } : undefined;
    const calls: Promise<unknown>[] = [
      client.put(key, value),
      client.put("second", value, { precondition: { absent: true } }),
      client.writeBatch([{ kind: "put", key: "third", value }]),
    ];
    value.fill(9);
    key.fill(65);
    await Promise.all(calls);
    for (const name of ["key", "second", "third"]) {
      assert.equal(await client.get(name), Uint8Array.of(1, 2, 3));
    }
    const keys = [new TextEncoder().encode("key")];
    const read = client.getMany(keys);
    keys[0]!.fill(65);
    assert.equal(await read, [Uint8Array.of(1, 2, 3)]);
  }));

test("copies of all sizes are what was given, and none touches another", () =>
  inCluster(async (_, client) => {
    const values = Array.from({ length: 40 }, (_, number) => new Uint8Array(number * 37).fill(number));
    const calls = values.map((value, number) => client.put(`size-${number}`, value));
    values.forEach((value) => value.fill(255));
    await Promise.all(calls);
    for (const [number, value] of values.entries()) {
      assert.equal(await client.get(`size-${number}`), new Uint8Array(value.length).fill(number));
    }
  }));

test("the bytes behind a Buffer or shared memory are copied too", () =>
  inCluster(async (_, client) => {
    // A Buffer's own `slice` is a view.
    const { Buffer } = await import("node:buffer");
    const buffer = Buffer.from("abc");
    const shared = new Uint8Array(new SharedArrayBuffer(3));
    const calls = [client.put("buffer", buffer), client.put("shared", shared)];
    buffer.fill(0);
    shared.fill(7);
    await Promise.all(calls);
    assert.is(await client.getText("buffer"), "abc");
    assert.equal(await client.get("shared"), new Uint8Array(3));
  }));

test("a mutation of no known kind is refused with its position", () =>
  inCluster(async (cluster, client) => {
    const good: BatchMutation = { kind: "put", key: "a", value: "b" };
    const put = { key: "a", value: "b" as Bytes };
    for (const bad of [{ ...put, kind: "append" }, { ...put, kind: "Put" }, put, null, undefined, 7]) {
      const batch = [good, bad as unknown as BatchMutation];
      await assertRejects(
        () => client.writeBatch(batch),
        isTypeError(/kind of mutation 1 must be put, delete or increment/),
      );
    }
    assert.is(cluster.calls.length, 0);
  }));

test.run();
