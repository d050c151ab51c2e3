/**
 * Files with sound checksums around bytes that no program has written: they are refused as damage or read as
 * something, within bounds of time and memory.
 *
 * @module
 */

import { StorageError } from "../../server/storage/mod.ts";
import { decodeFixedHeader, encodeFixedHeader } from "../../server/storage/manifest/fixed_header.ts";
import { encodeManifestFrame, FrameKind } from "../../server/storage/manifest/frame.ts";
import { StoreManifest } from "../../server/storage/manifest/mod.ts";
import {
  BlockCache,
  checksumAt,
  checksumSeed,
  Table,
  TableCursor,
  type TableIdentity,
  type TableSummary,
} from "../../server/storage/table/mod.ts";
import { decodeFooter, encodeFooter, FOOTER_BYTES } from "../../server/storage/table/footer.ts";
import { assert, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const test = suite("storage decoders");
const ROUNDS = Number(Deno.env.get("STORAGE_FUZZ_ROUNDS") ?? 4_000);
const IDENTITY: TableIdentity = { salt: [7, 8], number: 9 };
const PATH = "store/f";

async function diskWith(files: Readonly<Record<string, Uint8Array>>): Promise<MemoryDisk> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  await disk.mount().createDirectory("store");
  for (const [path, content] of Object.entries(files)) disk.place(path, content);
  return disk;
}

async function onlyRefuses(body: () => void | Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    assert.ok(error instanceof StorageError && !error.retryable, String(error));
  }
}

/** Parts of a table, each with its right checksum. */
function sealedParts(parts: readonly Uint8Array[]): Uint8Array[] {
  const seed = checksumSeed(IDENTITY);
  let offset = 0;
  return parts.map((part) => {
    const sealed = new Uint8Array(part.length + 4);
    sealed.set(part);
    new DataView(sealed.buffer).setUint32(part.length, checksumAt(part, { seed, offset }), true);
    offset += sealed.length;
    return sealed;
  });
}

/** A number that is plausible, or as large as it can be. */
function drawLength(random: SeededRandom, usual: number): number {
  return random.chance(70) ? usual : random.chance(50) ? random.below(usual + 3) : random.word();
}

/** A table whose index says that there is one block of this length. */
function forgedTable(random: SeededRandom): Uint8Array {
  const key = (last: number) => [2, 1, last];
  const blockBytes = 20 + random.below(60);
  const block = random.bytes(blockBytes);
  block.set([random.below(3), 0, 0, 0], blockBytes - 4);
  const index = Uint8Array.from([
    ...key(1),
    ...key(9),
    1,
    ...key(9),
    drawLength(random, blockBytes + 4) % 128,
  ]);
  if (random.chance(20)) index[random.below(index.length)] = random.below(256);
  const [sealedBlock, filter, sealedIndex] = sealedParts([block, new Uint8Array(8).fill(255), index]);
  const footer = encodeFooter({
    identity: IDENTITY,
    group: 1,
    indexBytes: drawLength(random, sealedIndex!.length),
    filterOffset: drawLength(random, sealedBlock!.length),
    filterBytes: drawLength(random, filter!.length),
    blocks: drawLength(random, 1),
    entries: random.word(),
    tombstones: 0,
    lowestVersion: 1,
    highestVersion: random.word(),
    keyBytes: 0,
    valueBytes: 0,
    appliedIndex: 0,
    term: 0,
  });
  return Uint8Array.from([...sealedBlock!, ...filter!, ...sealedIndex!, ...footer]);
}

test("tables", async () => {
  const random = new SeededRandom(71);
  for (let round = 0; round < ROUNDS; round++) {
    const content = forgedTable(random);
    const disk = await diskWith({ [PATH]: content });
    const summary: TableSummary = {
      identity: IDENTITY,
      fileBytes: drawLength(random, content.length),
      entries: 1,
      tombstones: 0,
      lowestVersion: 1,
      highestVersion: 1,
      keyBytes: 2,
      valueBytes: 0,
      smallestKey: Uint8Array.of(1, 1),
      largestKey: Uint8Array.of(1, 9),
    };
    const table = new Table({ file: await disk.mount().open(PATH), summary, cache: new BlockCache(0) });
    await onlyRefuses(() => {
      const cursor = new TableCursor(table);
      let count = 0;
      for (cursor.seek(); cursor.isValid; cursor.next()) assert.ok(count++ < content.length, "a walk ends");
      cursor.seekBefore();
      table.get({ key: Uint8Array.of(1, 5), version: 9, hash: random.word() | 0, seed: 7 });
    });
    table.close();
  }
});

test("footers and fixed headers", async () => {
  const random = new SeededRandom(72);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = random.bytes(FOOTER_BYTES);
    const place = { path: PATH, offset: 0 };
    await onlyRefuses(() => void decodeFooter(bytes, place));
    const length = random.below(FOOTER_BYTES);
    await onlyRefuses(() =>
      void decodeFixedHeader("PRKDBMAN", { ...place, bytes: bytes.subarray(0, length) })
    );
  }
});

test("manifests", async () => {
  const random = new SeededRandom(73);
  const header = { salt: [7, 8] as const, number: 9, group: 0 };
  const seed = checksumSeed(header);
  for (let round = 0; round < ROUNDS; round++) {
    const parts: Uint8Array[] = [encodeFixedHeader("PRKDBMAN", header)];
    let offset = 64;
    for (let sequence = 1; sequence <= 1 + random.below(4); sequence++) {
      const body = random.bytes(random.below(40));
      if (body.length > 0) body[0] = random.below(6);
      const kind = random.chance(80) ? FrameKind.edit : random.below(4);
      const frame = random.chance(85)
        ? encodeManifestFrame({ kind, sequence, body }, { seed, offset })
        : random.bytes(random.below(80));
      parts.push(frame);
      offset += frame.length;
    }
    const disk = await diskWith({
      "store/CURRENT": encodeFixedHeader("PRKDBCUR", header),
      "store/0000000000000009.manifest": Uint8Array.from(parts.flatMap((part) => [...part])),
    });
    await onlyRefuses(async () => {
      const { manifest } = await StoreManifest.read({ fileSystem: disk.mount(), directory: "store" });
      manifest.close();
    });
  }
});

test.run();
