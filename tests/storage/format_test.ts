/**
 * The worked example of `FORMAT.md` is what a store writes, and is read as it says.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { heldBy, openStore, STORE_DIRECTORY } from "../support/storage/store_fixture.ts";

const test = suite("FORMAT.md of the store");

const FORMAT = Deno.readTextFileSync(new URL("../../server/storage/FORMAT.md", import.meta.url));
const FILES = [
  ["current", "CURRENT"],
  ["manifest", "0000000000000001.manifest"],
  ["table", "0000000000000002.table"],
] as const;

/** The bytes of the dump in the code block with this label. */
function dump(label: string): Uint8Array<ArrayBuffer> {
  const block = FORMAT.split("```" + label + "\n")[1]?.split("```")[0];
  assert.ok(block, `FORMAT.md must have a block ${label}`);
  return Uint8Array.fromHex(block!.split("\n").map((line) => line.slice(6).replaceAll(" ", "")).join(""));
}

function words(): () => number {
  const salt = [0x01020304, 0x0a0b0c0d];
  return () => salt.shift()!;
}

const text = (characters: string) => new TextEncoder().encode(characters);

test("a store writes the example", async () => {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  const store = await openStore(disk, { randomWord: words() });
  store.write(
    [{ key: text("\x01name"), value: text("Ada") }, { key: text("\x01nape"), value: text("x") }],
    5,
  );
  store.write([{ key: text("\x01nape"), value: undefined }], 9);
  const pin = {
    membership: Uint8Array.of(0xaa, 0xbb),
    membershipIndex: 4,
    logFloor: { segment: 7, offset: 300 },
  };
  await store.flush({ index: 12, term: 2, ...pin });
  await store.close();
  for (const [label, name] of FILES) {
    assert.is(disk.content(`${STORE_DIRECTORY}/${name}`).toHex(), dump(label).toHex(), label);
  }
});

test("the example is read as a store", async () => {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  await disk.mount().createDirectory(STORE_DIRECTORY);
  for (const [label, name] of FILES) disk.place(`${STORE_DIRECTORY}/${name}`, dump(label));
  const store = await openStore(disk);
  assert.is(heldBy(store, text("\x01name")), "416461@5");
  assert.is(heldBy(store, text("\x01nape")), "nothing");
  assert.is(store.status.entries, 2);
  assert.equal(store.point, {
    index: 12,
    term: 2,
    membership: Uint8Array.of(0xaa, 0xbb),
    membershipIndex: 4,
    logFloor: { segment: 7, offset: 300 },
  });
  await store.close();
});

test.run();
