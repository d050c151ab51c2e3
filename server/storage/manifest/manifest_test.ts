/**
 * The manifest on a disk that crashes, fails and goes bad: what was acknowledged is read, what was not is
 * whole or absent, and damage is told from a torn end.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../../tests/harness.ts";
import { MemoryDisk } from "../../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { StorageError } from "../table/mod.ts";
import { decodeEdit, encodeEdit, type StoreEdit, UnknownEditError } from "./edit.ts";
import { CURRENT_NAME, fileNumberOf, numberedName } from "./file_names.ts";
import { type NewManifest, StoreManifest } from "./manifest.ts";

const test = suite("manifest");
const DIRECTORY = "store";
const PATH = `${DIRECTORY}/${numberedName(7, "manifest")}`;
const CURRENT_PATH = `${DIRECTORY}/${CURRENT_NAME}`;

function editOf(index: number): StoreEdit {
  const membership = Uint8Array.of(1, 2, index % 256);
  const summary = {
    identity: { salt: [1, 2] as const, number: index },
    fileBytes: 1_000 * index,
    entries: 10,
    tombstones: 1,
    lowestVersion: 1,
    highestVersion: index,
    keyBytes: 20,
    valueBytes: 30 * index,
    smallestKey: Uint8Array.of(1),
    largestKey: Uint8Array.of(1, index % 256),
  };
  return {
    point: { index, term: 3, membership, membershipIndex: 2, logFloor: { segment: index, offset: 9 } },
    nextFile: index + 1,
    gone: index > 1 ? [index - 1] : [],
    tables: [{ level: 0, fileNumber: index, summary }],
  };
}

async function makeDisk(
  options: Partial<ConstructorParameters<typeof MemoryDisk>[0]> = {},
): Promise<MemoryDisk> {
  const disk = new MemoryDisk({ random: new SeededRandom(1), ...options });
  await disk.mount().createDirectory(DIRECTORY);
  return disk;
}

function create(disk: MemoryDisk, options: Partial<NewManifest> = {}): Promise<StoreManifest> {
  const fileSystem = disk.mount();
  const state = editOf(1);
  return StoreManifest.create({
    fileSystem,
    directory: DIRECTORY,
    salt: [5, 6],
    group: 9,
    number: 7,
    state,
    ...options,
  });
}

function read(disk: MemoryDisk) {
  return StoreManifest.read({ fileSystem: disk.mount(), directory: DIRECTORY });
}

const hasCode = (code: string) => (error: Error) => error instanceof StorageError && error.code === code;

test("edits are read as they were added, and more can be added", async () => {
  const disk = await makeDisk();
  const manifest = await create(disk);
  for (let index = 2; index < 40; index++) await manifest.append(editOf(index));
  manifest.close();
  const found = await read(disk);
  assert.equal(found.edits, Array.from({ length: 39 }, (_, position) => editOf(position + 1)));
  assert.equal([found.manifest.number, found.manifest.group, found.manifest.isUsable], [7, 9, true]);
  assert.equal(found.manifest.salt, [5, 6]);
  assert.is(found.manifest.bytes, disk.content(PATH).length);
  await found.manifest.append(editOf(40));
  found.manifest.close();
  assert.is((await read(disk)).edits.length, 40);
});

test("edits of every shape survive being bytes", () => {
  const shapes: StoreEdit[] = [
    { gone: [], tables: [] },
    { gone: [1, 2 ** 53 - 1], tables: [] },
    { nextFile: 2 ** 53 - 1, gone: [], tables: [] },
    editOf(300),
  ];
  for (const shape of shapes) assert.equal(decodeEdit(encodeEdit(shape)), shape);
  assert.throws(() => decodeEdit(Uint8Array.of(9)), (error: Error) => error instanceof UnknownEditError);
});

test("bytes that are no edit are refused, whatever they are", () => {
  const random = new SeededRandom(41);
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.below(60));
    if (bytes.length > 0) bytes[0] = random.below(6);
    try {
      decodeEdit(bytes);
    } catch (error) {
      assert.ok(error instanceof RangeError || error instanceof UnknownEditError, String(error));
    }
  }
});

test("after a crash every acknowledged edit is there, and at most the one under way besides", async () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const disk = await makeDisk({ random });
    const manifest = await create(disk);
    let acknowledged = 1;
    for (let left = random.below(6); left > 0; left--) await manifest.append(editOf(++acknowledged));
    if (random.chance(70)) manifest.append(editOf(acknowledged + 1)).catch(() => {});
    // A process that is killed leaves what it wrote to the system, which may lose it later.
    if (random.chance(50)) await killedMidway(disk, random);
    else disk.crash({ lostPercent: random.below(60), garbledPercent: random.below(40) });
    const { edits, manifest: found } = await read(disk);
    await found.settle({ fileSystem: disk.mount(), directory: DIRECTORY });
    disk.crash({ lostPercent: 100, garbledPercent: 0 });
    assert.equal((await read(disk)).edits, edits, "what was settled is durable");
    assert.ok(edits.length === acknowledged || edits.length === acknowledged + 1, `seed ${seed}`);
    edits.forEach((edit, position) => assert.equal(edit, editOf(position + 1)));
  }
});

async function killedMidway(disk: MemoryDisk, random: SeededRandom): Promise<void> {
  for (let turns = random.below(6); turns > 0; turns--) await Promise.resolve();
  disk.kill();
}

test("every flipped bit is damage, or nothing is lost", async () => {
  const disk = await makeDisk();
  const manifest = await create(disk);
  for (let index = 2; index < 5; index++) await manifest.append(editOf(index));
  manifest.close();
  const expected = (await read(disk)).edits;
  for (const path of [PATH, CURRENT_PATH]) {
    const content = disk.content(path);
    for (let bit = 0; bit < content.length * 8; bit++) {
      content[bit >>> 3]! ^= 1 << (bit & 7);
      try {
        const found = await read(disk);
        assert.equal(found.edits, expected, `${path} bit ${bit}`);
        assert.is(found.manifest.isUsable, false, "only its last frame, a seal, may be missed");
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        assert.is(error.code, "STORAGE_DAMAGED");
        assert.is(error.place?.path, path);
      }
      content[bit >>> 3]! ^= 1 << (bit & 7);
    }
  }
});

test("damage in the middle is refused with file and offset, a torn end is cut", async () => {
  const disk = await makeDisk();
  const manifest = await create(disk);
  const secondAt = manifest.bytes;
  await manifest.append(editOf(2));
  await manifest.append(editOf(3));
  manifest.close();
  const whole = disk.content(PATH).slice();
  for (let length = 0; length < whole.length; length++) {
    disk.place(PATH, whole.slice(0, length));
    if (length < secondAt - 32) {
      await assertRejects(() => read(disk), hasCode("STORAGE_DAMAGED"));
      continue;
    }
    const { edits, manifest: found } = await read(disk);
    edits.forEach((edit, position) => assert.equal(edit, editOf(position + 1)));
    if (length !== secondAt) continue;
    assert.is(found.isUsable, true);
  }
  const damagedCopy = whole.slice();
  damagedCopy[secondAt + 40]! ^= 1;
  disk.place(PATH, damagedCopy);
  await assertRejects(
    () => read(disk),
    (error: Error) => error.message.includes(`${PATH} at offset ${secondAt} as what was durable`),
  );
});

test("a manifest whose write or sync failed is not used again", async () => {
  for (const operation of ["write", "syncData"]) {
    let isBroken = false;
    const disk = await makeDisk({
      fault: (call) => isBroken && call.operation === operation ? new Error("no space left") : undefined,
    });
    const manifest = await create(disk);
    isBroken = true;
    await assertRejects(() => manifest.append(editOf(2)), hasCode("STORAGE_WRITE_FAILED"));
    isBroken = false;
    assert.is(manifest.isUsable, false);
    await assertRejects(() => manifest.append(editOf(2)), hasCode("STORAGE_STATE"));
    const next = await create(disk, { number: 8, state: editOf(2) });
    next.close();
    assert.equal((await read(disk)).edits, [editOf(2)]);
  }
});

test("whichever call of making a manifest fails, one of the two is in force", async () => {
  for (let failing = 0;; failing++) {
    let [count, from] = [0, Infinity];
    const disk = await makeDisk({ fault: () => count++ === from ? new Error("broken") : undefined });
    (await create(disk)).close();
    [count, from] = [0, failing];
    const error = await create(disk, { number: 8, state: editOf(2) }).then(
      () => undefined,
      (reason) => reason,
    );
    const isOver = count <= failing;
    from = Infinity;
    disk.crash();
    const { edits } = await read(disk);
    assert.ok(edits.length === 1 && [1, 2].includes(edits[0]!.point!.index), `call ${failing}`);
    if (isOver) {
      assert.is(error, undefined);
      assert.equal(edits, [editOf(2)]);
      return;
    }
  }
});

test("later formats are refused by name, and a missing manifest is damage", async () => {
  const disk = await makeDisk();
  (await create(disk)).close();
  const { crc32c } = await import("../../../wal-wasm/mod.ts");
  for (const path of [PATH, CURRENT_PATH]) {
    const before = disk.content(path).slice();
    const content = disk.content(path);
    const view = new DataView(content.buffer, content.byteOffset);
    view.setUint32(12, 2, true);
    view.setUint32(8, crc32c(content.subarray(12, 64)), true);
    await assertRejects(() => read(disk), (error: Error) => /format is 2: this version/.test(error.message));
    disk.place(path, before);
  }
  disk.lose(PATH);
  await assertRejects(() => read(disk), hasCode("STORAGE_DAMAGED"));
});

test("names have numbers", () => {
  assert.is(numberedName(12, "table"), "0000000000000012.table");
  assert.is(fileNumberOf("0000000000000012.table"), 12);
  assert.is(fileNumberOf(numberedName(2 ** 52, "manifest")), 2 ** 52);
  for (const other of ["CURRENT", "12.table", "0000000000000012.wal"]) {
    assert.is(fileNumberOf(other), undefined);
  }
});

test("a seal that a crash has lost is done without, whatever became of the edit behind it", async () => {
  const disk = await makeDisk();
  const manifest = await create(disk);
  const sealAt = manifest.bytes - 32;
  await manifest.append(editOf(2));
  manifest.close();
  const whole = disk.content(PATH).slice();
  const edits = async (spoil: (content: Uint8Array) => void) => {
    const content = whole.slice(0, -32);
    content.fill(0xee, sealAt, sealAt + 32);
    spoil(content);
    disk.place(PATH, content);
    const found = await read(disk);
    const { isUsable } = found.manifest;
    found.manifest.close();
    return { edits: found.edits, isUsable };
  };
  assert.equal(await edits(() => {}), { edits: [editOf(1), editOf(2)], isUsable: false });
  const torn = await edits((content) => content[content.length - 9]! ^= 1);
  assert.equal(torn, { edits: [editOf(1)], isUsable: false });
  // Without the edit behind it, what is there instead of the seal is a torn end.
  const alone = await edits((content) => content.fill(0, sealAt + 32));
  assert.equal(alone, { edits: [editOf(1)], isUsable: false });
  // An edit is never done without: what followed it was begun after it had become durable.
  disk.place(PATH, whole.slice());
  disk.content(PATH)[sealAt + 32]! ^= 1;
  await assertRejects(() => read(disk), hasCode("STORAGE_DAMAGED"));
});

test.run();
