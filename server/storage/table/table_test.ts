/**
 * Tables against sorted lists: what goes in comes out, at every version and in both directions; and whatever
 * becomes of their bytes, nothing wrong does.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { MemoryDisk } from "../../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import {
  drawEntries,
  drawKey,
  entryAt,
  entryText,
  ListCursor,
  type PlainEntry,
} from "../../../tests/support/storage/entries.ts";
import {
  BlockCache,
  compareKeys,
  hashKey,
  StorageError,
  Table,
  TableCursor,
  type TableIdentity,
  type TableSummary,
  TableWriter,
  VERSION_MAX,
} from "./mod.ts";

const test = suite("table");

const DIRECTORY = "store";
const PATH = `${DIRECTORY}/t`;
const IDENTITY: TableIdentity = { salt: [0x01020304, 0x0a0b0c0d], number: 12 };

/** A table on a disk in memory. */
interface Written {
  readonly disk: MemoryDisk;
  readonly summary: TableSummary;
}

async function write(
  entries: readonly PlainEntry[],
  options: { readonly blockBytes?: number; readonly identity?: TableIdentity } = {},
): Promise<Written> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  const fileSystem = disk.mount();
  await fileSystem.createDirectory(DIRECTORY);
  const file = await fileSystem.create(PATH);
  const writer = new TableWriter(file, {
    identity: IDENTITY,
    group: 3,
    baseVersion: entries.reduce((least, { version }) => Math.min(least, version), Infinity),
    appliedIndex: 1_000,
    term: 4,
    ...options,
  });
  const cursor = new ListCursor(entries);
  for (cursor.seek(); cursor.isValid; cursor.next()) writer.add(cursor);
  const summary = await writer.finish();
  file.close();
  return { disk, summary };
}

async function open({ disk, summary }: Written, cache = new BlockCache(0)): Promise<Table> {
  return new Table({ file: await disk.mount().open(PATH), summary, cache });
}

function get(table: Table, key: Uint8Array, version: number): string | undefined {
  const seed = IDENTITY.salt[0];
  const block = table.get({ key, version, seed, hash: hashKey(key, seed) });
  if (block === undefined) return undefined;
  const value = block.isTombstone ? undefined : block.bytes.slice(block.valueStart, block.valueEnd);
  return entryText({ key, version: block.version, value });
}

function expectedGet(entries: readonly PlainEntry[], key: Uint8Array, version: number): string | undefined {
  const entry = entries.find((each) => compareKeys(each.key, key) === 0 && each.version <= version);
  return entry === undefined ? undefined : entryText(entry);
}

function walk(cursor: TableCursor | ListCursor): string[] {
  const texts: string[] = [];
  for (; cursor.isValid; cursor.next()) texts.push(entryText(entryAt(cursor)));
  return texts;
}

const SHAPES = [
  { keys: 1, versionsMax: 1, valueBytesMax: 0, blockBytes: 200 },
  { keys: 40, versionsMax: 3, valueBytesMax: 20, blockBytes: 200 },
  { keys: 300, versionsMax: 4, valueBytesMax: 40, blockBytes: 700 },
  { keys: 20, versionsMax: 60, valueBytesMax: 30, blockBytes: 300 },
  { keys: 2_000, versionsMax: 2, valueBytesMax: 100, blockBytes: 16_384 },
];

test("every key is found at every version, and no other", async () => {
  const random = new SeededRandom(11);
  for (const shape of SHAPES) {
    const entries = drawEntries({ random, ...shape });
    const table = await open(await write(entries, shape));
    for (const { key, version } of entries) {
      for (const at of [version, version - 1, version + 1, VERSION_MAX, 0]) {
        assert.is(get(table, key, at), expectedGet(entries, key, at));
      }
    }
    for (let count = 0; count < 200; count++) {
      const key = drawKey(random);
      const version = random.below(1_100);
      assert.is(get(table, key, version), expectedGet(entries, key, version));
    }
    table.close();
  }
});

test("a cursor goes where one over a list goes", async () => {
  const random = new SeededRandom(12);
  for (const shape of SHAPES) {
    const entries = drawEntries({ random, ...shape });
    const table = await open(await write(entries, shape));
    const cursor = new TableCursor(table);
    const model = new ListCursor(entries);
    cursor.seek();
    assert.equal(walk(cursor), entries.map(entryText));
    for (let count = 0; count < 60; count++) {
      const key = random.chance(10) ? undefined : drawKey(random);
      const move = random.pick(["seek", "seekBefore"] as const);
      cursor[move](key);
      model[move](key);
      for (let step = 0; step < 5 && model.isValid; step++, model.next(), cursor.next()) {
        assert.is(cursor.isValid, true);
        assert.is(entryText(entryAt(cursor)), entryText(entryAt(model)));
      }
      assert.is(cursor.isValid, model.isValid);
    }
    table.close();
  }
});

test("what is counted is right", async () => {
  const entries = drawEntries({ random: new SeededRandom(13), keys: 500, versionsMax: 3, valueBytesMax: 9 });
  const { disk, summary } = await write(entries);
  const table = await open({ disk, summary });
  assert.is(summary.entries, entries.length);
  assert.is(summary.tombstones, entries.filter(({ value }) => value === undefined).length);
  assert.is(summary.lowestVersion, Math.min(...entries.map(({ version }) => version)));
  assert.is(summary.highestVersion, Math.max(...entries.map(({ version }) => version)));
  assert.equal(summary.smallestKey, entries[0]!.key);
  assert.equal(summary.largestKey, entries.at(-1)!.key);
  assert.is(summary.fileBytes, disk.content(PATH).length);
  const { footer } = table;
  assert.is(footer.keyBytes, entries.reduce((sum, { key }) => sum + key.length, 0));
  assert.is(footer.valueBytes, entries.reduce((sum, { value }) => sum + (value?.length ?? 0), 0));
  assert.equal([footer.group, footer.appliedIndex, footer.term], [3, 1_000, 4]);
  assert.is(footer.entries, entries.length);
});

test("values of a mebibyte, empty ones and keys of the largest size", async () => {
  const random = new SeededRandom(14);
  const entries: PlainEntry[] = [
    { key: Uint8Array.of(1), version: 2 ** 40, value: random.bytes(2 ** 20) },
    { key: new Uint8Array(4_224).fill(1), version: 7, value: new Uint8Array(0) },
    { key: new Uint8Array(4_224).fill(2), version: VERSION_MAX, value: random.bytes(70_000) },
    { key: new Uint8Array(4_224).fill(2), version: 9, value: undefined },
  ];
  const table = await open(await write(entries));
  for (const { key, version } of entries) {
    assert.is(get(table, key, version), expectedGet(entries, key, version));
  }
  const cursor = new TableCursor(table);
  cursor.seek();
  assert.equal(walk(cursor), entries.map(entryText));
});

test("the filter lets few keys pass that are not there", async () => {
  const random = new SeededRandom(15);
  const entries = drawMany(random, 4_000);
  const cache = new BlockCache(2 ** 24);
  const table = await open(await write(entries), cache);
  const isHeld = (key: Uint8Array) => get(table, key, VERSION_MAX) !== undefined;
  for (let count = 0; count < 10_000; count++) assert.is(isHeld(Uint8Array.of(2, ...random.bytes(9))), false);
  const { hits, misses } = cache.stats;
  assert.ok(hits + misses < 250, `${hits + misses} of 10,000 keys passed`);
});

test("blocks are cached within the budget, and given up with the table", async () => {
  const random = new SeededRandom(16);
  const entries = drawMany(random, 3_000);
  const written = await write(entries, { blockBytes: 1_000 });
  const cache = new BlockCache(16 * 16_384);
  const [first, second] = [await open(written, cache), await open(written, cache)];
  for (let count = 0; count < 3_000; count++) {
    const { key, version } = random.pick(entries);
    const table = random.pick([first, second]);
    assert.is(get(table, key, version), expectedGet(entries, key, version));
  }
  assert.is(cache.stats.bytes, 16 * 16_384);
  first.close();
  for (const { key, version } of entries.slice(0, 300)) {
    assert.is(get(second, key, version), expectedGet(entries, key, version));
  }
});

test("every flipped bit is noticed or changes nothing that is read", async () => {
  const entries = drawEntries({ random: new SeededRandom(17), keys: 25, versionsMax: 2, valueBytesMax: 6 });
  const written = await write(entries, { blockBytes: 200 });
  const expected = entries.map(entryText);
  const content = written.disk.content(PATH);
  for (let bit = 0; bit < content.length * 8; bit++) {
    content[bit >>> 3]! ^= 1 << (bit & 7);
    assert.is(await outcomeOf(written, expected), "STORAGE_DAMAGED", `bit ${bit}`);
    content[bit >>> 3]! ^= 1 << (bit & 7);
  }
  assert.is(await outcomeOf(written, expected), "as written");
});

test("a file cut anywhere, or longer, is noticed", async () => {
  const entries = drawEntries({ random: new SeededRandom(18), keys: 25, versionsMax: 2, valueBytesMax: 6 });
  const written = await write(entries, { blockBytes: 200 });
  const whole = written.disk.content(PATH).slice();
  for (let length = 0; length <= whole.length + 1; length++) {
    const content = new Uint8Array(length);
    content.set(whole.subarray(0, length));
    written.disk.place(PATH, content);
    const wanted = length === whole.length ? "as written" : "STORAGE_DAMAGED";
    assert.is(await outcomeOf(written, entries.map(entryText)), wanted, `${length} bytes`);
  }
});

test("blocks in each other's place, and another store's table, are noticed", async () => {
  const value = new Uint8Array(150).fill(7);
  const entries = [1, 2, 3].map((last) => ({ key: Uint8Array.of(1, last), version: 5, value }));
  const written = await write(entries, { blockBytes: 200 });
  const content = written.disk.content(PATH);
  const { index } = await open(written);
  assert.is(index.lengthOf(0), index.lengthOf(1));
  const first = content.slice(0, index.lengthOf(0));
  content.copyWithin(0, index.offsetOf(1), index.offsetOf(2));
  content.set(first, index.offsetOf(1));
  assert.is(await outcomeOf(written, []), "STORAGE_DAMAGED");
  const other = await write(entries, { blockBytes: 200, identity: { ...IDENTITY, number: 13 } });
  assert.is(await outcomeOf({ disk: other.disk, summary: written.summary }, []), "STORAGE_DAMAGED");
});

test("a later version of the format is refused by name", async () => {
  const { encodeFooter, FOOTER_BYTES } = await import("./footer.ts");
  const { crc32c } = await import("../../../wal-wasm/mod.ts");
  const written = await write([{ key: Uint8Array.of(1, 1), version: 1, value: undefined }]);
  const table = await open(written);
  const footer = encodeFooter(table.footer);
  const view = new DataView(footer.buffer);
  view.setUint32(12, 2, true);
  view.setUint32(8, crc32c(footer.subarray(12)), true);
  const content = written.disk.content(PATH);
  content.set(footer, content.length - FOOTER_BYTES);
  const fresh = await open(written);
  assert.throws(() => fresh.index, /store\/t as its format is 2: this version of the program knows format 1/);
});

/** What becomes of reading all of a table that may be damaged; entries must be as they were. */
async function outcomeOf(written: Written, expected: readonly string[]): Promise<string> {
  const table = await open(written);
  try {
    const cursor = new TableCursor(table);
    cursor.seek();
    assert.equal(walk(cursor), expected);
    return "as written";
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.code;
  } finally {
    table.close();
  }
}

/** Entries of many different keys. */
function drawMany(random: SeededRandom, count: number): PlainEntry[] {
  const keys = new Set(Array.from({ length: count }, () => random.bytes(8).toHex()));
  return [...keys].sort().map((hex) => ({
    key: Uint8Array.of(1, ...Uint8Array.fromHex(hex)),
    version: 1 + random.below(1_000),
    value: random.bytes(10),
  }));
}

test.run();
