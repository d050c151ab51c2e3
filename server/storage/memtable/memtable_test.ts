/**
 * The memtable against a map: every version is found, in order and by key, also while it grows.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import {
  compareEntries,
  drawKey,
  entryAt,
  entryText,
  type PlainEntry,
} from "../../../tests/support/storage/entries.ts";
import { Memtable } from "./memtable.ts";
import { memtableCursors } from "./memtable_cursor.ts";
import { compareKeys, hashKey, VERSION_MAX } from "../table/mod.ts";

const test = suite("memtable");
const SEED = 0x5eed;

/** A memtable and what it should hold. */
class Pair {
  readonly memtable = new Memtable(SEED);
  readonly model = new Map<string, PlainEntry>();

  write(entry: PlainEntry): void {
    this.memtable.write(entry.key, entry.value, entry.version);
    this.model.set(`${entry.key.toHex()}@${entry.version}`, entry);
  }

  get sorted(): PlainEntry[] {
    return [...this.model.values()].sort(compareEntries);
  }
}

function find(memtable: Memtable, key: Uint8Array, version: number): string | undefined {
  const record = memtable.find({ key, version, hash: hashKey(key, SEED) });
  if (record < 0) return undefined;
  return entryText({ key, version: memtable.versionOf(record), value: memtable.valueOf(record) });
}

/** All entries in order, out of the cursors of all runs. */
function walk(memtable: Memtable): string[] {
  const entries = memtableCursors(memtable).flatMap((cursor) => {
    const list: PlainEntry[] = [];
    for (cursor.seek(); cursor.isValid; cursor.next()) list.push(entryAt(cursor));
    assert.equal(list.map(entryText), [...list].sort(compareEntries).map(entryText), "a run is in order");
    return list;
  });
  return entries.sort(compareEntries).map(entryText);
}

function drawWrite(random: SeededRandom, version: number): PlainEntry {
  const valueBytes = random.chance(2) ? 3_000 : random.below(90);
  return { key: drawKey(random), version, value: random.chance(20) ? undefined : random.bytes(valueBytes) };
}

test("what is written is found at every version, whenever it is asked", () => {
  const random = new SeededRandom(31);
  const pair = new Pair();
  for (let version = 1; version < 3_000; version++) {
    // A command may write one key twice: the later one counts.
    for (let count = random.below(4); count > 0; count--) pair.write(drawWrite(random, version));
    if (version % 500 === 0) assert.equal(walk(pair.memtable), pair.sorted.map(entryText));
    const key = drawKey(random);
    const at = 1 + random.below(version + 1);
    const expected = [...pair.model.values()].filter((each) =>
      compareKeys(each.key, key) === 0 && each.version <= at
    ).sort(compareEntries)[0];
    assert.is(find(pair.memtable, key, at), expected === undefined ? undefined : entryText(expected));
  }
});

test("versions above 32 bits are told apart", () => {
  const pair = new Pair();
  const key = Uint8Array.of(1, 2);
  for (const version of [1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, VERSION_MAX]) {
    pair.write({ key, version, value: Uint8Array.of(version % 251) });
  }
  assert.equal(walk(pair.memtable), pair.sorted.map(entryText));
  assert.is(
    find(pair.memtable, key, 2 ** 32 - 1),
    entryText({ key, version: 2 ** 32 - 1, value: Uint8Array.of((2 ** 32 - 1) % 251) }),
  );
});

test("a cursor seeks in both directions, and keeps its place while keys are added", () => {
  const random = new SeededRandom(32);
  const memtable = new Memtable(SEED);
  const keys = [10, 20, 30, 40].map((last) => Uint8Array.of(1, last));
  keys.forEach((key, position) => memtable.write(key, undefined, position + 1));
  const [cursor] = memtableCursors(memtable);
  const at = () => cursor!.isValid ? entryAt(cursor!).key[1] : undefined;
  cursor!.seek(Uint8Array.of(1, 20));
  assert.is(at(), 20);
  for (let count = 0; count < 5_000; count++) memtable.write(drawKey(random), random.bytes(20), 10 + count);
  cursor!.next();
  assert.is(at(), 30);
  cursor!.seekBefore(Uint8Array.of(1, 20));
  assert.is(at(), 10);
  cursor!.seekBefore(Uint8Array.of(1, 10));
  assert.is(at(), undefined);
  cursor!.seekBefore();
  assert.is(at(), 40);
  cursor!.seek(Uint8Array.of(1, 41));
  assert.is(at(), undefined);
  cursor!.seek();
  assert.is(at(), 10);
});

test("many keys make few runs", () => {
  const random = new SeededRandom(33);
  const pair = new Pair();
  for (let version = 1; version <= 40_000; version++) {
    pair.write({ key: Uint8Array.of(1, ...random.bytes(6)), version, value: undefined });
    if (version % 97 === 0) pair.memtable.runs();
  }
  assert.ok(pair.memtable.runs().length < 20, `${pair.memtable.runs().length} runs`);
  assert.equal(walk(pair.memtable), pair.sorted.map(entryText));
});

test("what one leaves behind does not show in the next", () => {
  const random = new SeededRandom(34);
  for (let round = 0; round < 3; round++) {
    const pair = new Pair();
    for (let version = 1; version <= 4_000; version++) {
      pair.write({ key: Uint8Array.of(1, ...random.bytes(5)), version, value: random.bytes(800) });
    }
    const [cursor] = memtableCursors(pair.memtable);
    pair.memtable.hold();
    pair.memtable.release();
    cursor!.seek();
    assert.is(cursor!.isValid, true, "it is held once more");
    assert.equal(walk(pair.memtable), pair.sorted.map(entryText));
    pair.memtable.release();
  }
});

test("its memory is counted", () => {
  const memtable = new Memtable(SEED);
  const before = memtable.memoryBytes;
  assert.ok(before < 2_048);
  const value = new Uint8Array(100);
  for (let version = 1; version <= 10_000; version++) {
    memtable.write(Uint8Array.of(1, version >> 8, version), value, version);
  }
  const bytesPerEntry = memtable.memoryBytes / 10_000;
  assert.ok(bytesPerEntry > 103 && bytesPerEntry < 350, `${bytesPerEntry} bytes an entry`);
});

test.run();
