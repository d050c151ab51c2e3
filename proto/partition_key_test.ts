/**
 * From keys to partitions, held to published digests and vectors.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { hashOfKey, hashRangeStart, partitionOfHash, partitionOfKey, xxHash32 } from "./partition_key.ts";

const test = suite("partition key");
const bytes = (text: string) => new TextEncoder().encode(text);

test("xxHash32 agrees with published digests", () => {
  assert.is(xxHash32(bytes("")), 0x02cc5d05);
  assert.is(xxHash32(bytes("a")), 0x550d7456);
  assert.is(xxHash32(bytes("abc")), 0x32d153ff);
  assert.is(xxHash32(bytes("Nobody inspects the spammish repetition")), 0xe2293b2f);
});

test("the published vectors hold", async () => {
  const url = new URL("../tests/partition_vectors.json", import.meta.url);
  const { partitionCount, vectors } = JSON.parse(await Deno.readTextFile(url)) as Vectors;
  assert.ok(vectors.length >= 20);
  for (const { key, hash, partition } of vectors) {
    assert.is(hashOfKey(fromHex(key)), hash, key);
    assert.is(partitionOfKey(fromHex(key), partitionCount), partition, key);
  }
});

test("only the first non-empty tag is hashed", () => {
  assert.is(hashOfKey(bytes("{user}:1")), hashOfKey(bytes("order:{user}")));
  assert.is(hashOfKey(bytes("{user}:1")), xxHash32(bytes("user")));
  assert.is(hashOfKey(bytes("a{}b{c}")), xxHash32(bytes("a{}b{c}")));
  assert.is(hashOfKey(bytes("a{b")), xxHash32(bytes("a{b")));
  assert.is(hashOfKey(bytes("}a{b}")), xxHash32(bytes("b")));
  assert.is(hashOfKey(bytes("{{a}}")), xxHash32(bytes("{a")));
});

test("ranges meet without gap or overlap", () => {
  for (const count of [1, 2, 3, 7, 9, 64, 1000, 4096]) {
    assert.is(hashRangeStart(0, count), 0);
    for (let partition = 0; partition < count; partition++) {
      const start = hashRangeStart(partition, count);
      assert.is(partitionOfHash(start, count), partition);
      if (partition > 0) assert.is(partitionOfHash(start - 1, count), partition - 1);
    }
    assert.is(partitionOfHash(2 ** 32 - 1, count), count - 1);
  }
});

interface Vectors {
  readonly partitionCount: number;
  readonly vectors: readonly { key: string; hash: number; partition: number }[];
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

test.run();
