/**
 * What is kept is what somebody sees: for every pinned version and for now, the kept entries tell the same as
 * all of them; and nothing else is kept.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import {
  compareEntries,
  drawEntries,
  entryText,
  ListCursor,
  type PlainEntry,
} from "../../tests/support/storage/entries.ts";
import { Pins, VersionRetention } from "./retention.ts";
import { compareKeys } from "./table/mod.ts";

const test = suite("retention");

/** What a reader at a version sees of a key: the newest entry, if it is no tombstone. */
function seen(entries: readonly PlainEntry[], key: Uint8Array, version: number): string {
  const found = entries.find((entry) => compareKeys(entry.key, key) === 0 && entry.version <= version);
  return found?.value === undefined ? "nothing" : entryText(found);
}

function kept(entries: readonly PlainEntry[], pinned: readonly number[], bottom: boolean): PlainEntry[] {
  const retention = new VersionRetention({ pinned, isBottom: () => bottom });
  const cursor = new ListCursor(entries);
  const result: PlainEntry[] = [];
  for (cursor.seek(); cursor.isValid; cursor.next()) {
    const entry = entries.find(({ key, version }) =>
      version === cursor.version && compareKeys(key, cursor.key) === 0
    )!;
    if (retention.keeps(cursor)) result.push(entry);
  }
  return result;
}

test("readers see the same before and after, and no entry could be left out", () => {
  const random = new SeededRandom(81);
  for (let round = 0; round < 300; round++) {
    const entries = drawEntries({ random, keys: 8, versionsMax: 5, valueBytesMax: 3 });
    const pinned = Array.from({ length: random.below(4) }, () => random.below(1_100)).sort((a, b) => a - b);
    const bottom = random.chance(50);
    // Above the bottom there may be an older entry of every key, which tombstones have to hide.
    const below = bottom ? [] : entries.map(({ key }) => ({ key, version: 0, value: Uint8Array.of(1) }));
    const left = kept(entries, pinned, bottom);
    const sees = (of: readonly PlainEntry[]) => {
      const all = [...of, ...below].sort(compareEntries);
      return entries.flatMap(({ key }) => [...pinned, Infinity].map((version) => seen(all, key, version)));
    };
    const expected = sees(entries);
    assert.equal(sees(left), expected);
    for (const entry of left) {
      const isNeeded = sees(left.filter((each) => each !== entry)).some((text, at) => text !== expected[at]);
      // A tombstone that only pins below it look past is kept although nothing older may be there.
      assert.ok(isNeeded || entry.value === undefined, entryText(entry));
    }
  }
});

test("a pin is counted as often as it is held", () => {
  const pins = new Pins();
  const [first, second, third] = [pins.add(7), pins.add(3), pins.add(7)];
  assert.equal(pins.versions, [3, 7]);
  first.release();
  first.release();
  assert.equal(pins.versions, [3, 7]);
  third.release();
  assert.equal(pins.versions, [3]);
  second.release();
  assert.equal(pins.versions, []);
});

test.run();
