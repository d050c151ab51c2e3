/**
 * Blocks and indexes from bytes that no writer has made: nothing but a refusal comes of them, at little cost.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { drawEntries, drawKey, ListCursor } from "../../../tests/support/storage/entries.ts";
import { Block } from "./block.ts";
import { BlockBuilder } from "./block_builder.ts";
import { BlockIndex, BlockIndexBuilder, separatorOf } from "./block_index.ts";
import { compareKeys } from "./entry.ts";
import { StorageError } from "./error.ts";

const test = suite("block");

const ROUNDS = Number(Deno.env.get("STORAGE_FUZZ_ROUNDS") ?? 20_000);

function builtBlock(random: SeededRandom): Uint8Array {
  const builder = new BlockBuilder(0);
  const cursor = new ListCursor(drawEntries({ random, keys: 40, versionsMax: 3, valueBytesMax: 10 }));
  for (cursor.seek(); cursor.isValid; cursor.next()) builder.add(cursor);
  const content = builder.finish();
  const block = new Uint8Array(content.length + 4);
  block.set(content);
  return block;
}

/** Everything that is done with blocks. */
function use(bytes: Uint8Array, random: SeededRandom): void {
  const block = new Block(bytes.length);
  block.bytes.set(bytes);
  block.open(bytes.length, { path: "block", offset: 0 });
  const key = drawKey(random);
  block.find(key, random.below(1_000));
  block.findFirst(key);
  block.lastBelow(key);
  for (let at = 0, count = 0; at < block.entriesEnd; at = block.readEntry(at)) {
    assert.ok(count++ <= bytes.length, "a walk ends");
  }
}

function onlyRefuses(body: () => void): void {
  try {
    body();
  } catch (error) {
    assert.ok(error instanceof StorageError || error instanceof RangeError, String(error));
  }
}

test("random bytes are refused or read as something, within their bounds", () => {
  const random = new SeededRandom(21);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = random.bytes(random.below(120));
    // A plausible number of restarts leads further.
    if (bytes.length > 8 && random.chance(80)) bytes.set([random.below(4), 0, 0, 0], bytes.length - 8);
    onlyRefuses(() => use(bytes, random));
    onlyRefuses(() => void new BlockIndex(bytes));
  }
});

test("blocks with some bytes changed are refused or read as something", () => {
  const random = new SeededRandom(22);
  for (let round = 0; round < ROUNDS / 20; round++) {
    const sound = builtBlock(random);
    for (let count = 0; count < 20; count++) {
      const bytes = sound.slice();
      for (let left = 1 + random.below(3); left > 0; left--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      onlyRefuses(() => use(bytes, random));
    }
  }
});

test("an index that claims too many blocks is refused before room is made for them", () => {
  const builder = new BlockIndexBuilder();
  builder.add(Uint8Array.of(1, 2), 100);
  const bytes = builder.finish({ smallestKey: Uint8Array.of(1), largestKey: Uint8Array.of(1, 2) });
  const read = new BlockIndex(bytes);
  assert.equal([read.blocks, read.end, read.find(Uint8Array.of(1, 1)), read.find(Uint8Array.of(2))], [
    1,
    100,
    0,
    1,
  ]);
  const forged = Uint8Array.of(1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f);
  assert.throws(() => new BlockIndex(forged), /index of \d+ blocks in 0 bytes/);
});

test("a separator lies between the keys that it parts", () => {
  const random = new SeededRandom(23);
  for (let round = 0; round < 2_000; round++) {
    const [last, next] = [drawKey(random), drawKey(random)].sort(compareKeys) as [Uint8Array, Uint8Array];
    const separator = separatorOf(last, next);
    assert.ok(compareKeys(last, separator) <= 0);
    assert.ok(separator.length <= last.length);
    if (compareKeys(last, next) === 0) assert.equal(separator, last);
    else assert.ok(compareKeys(separator, next) < 0);
  }
});

test.run();
