/**
 * What is said of the places of entries, beside a model that knows each of them.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { EntryPlaces } from "./entry_places.ts";

const test = suite("entry places");
const GROUP = 3;
const STEPS = 400;

test("no entry that counts lies before the segment that is said, and one is said while there are any", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const places = new EntryPlaces();
    /** By index, the segment in which the entry that counts lies. */
    const lies = new Map<number, number>();
    let [first, last, segment] = [1, 0, 1];
    for (let step = 0; step < STEPS; step++) {
      if (random.below(4) === 0) segment++;
      if (random.below(5) === 0 && first <= last) {
        first += random.below(last - first + 2);
        places.forgetBefore(GROUP, first);
      } else {
        const index = random.below(4) === 0 ? first + random.below(last - first + 2) : last + 1;
        const next = index + random.below(6);
        for (let each = index; each <= last; each++) lies.delete(each);
        for (let each = index; each <= next; each++) lies.set(each, segment);
        last = next;
        places.note({ group: GROUP, index, segment });
      }
      if (last < first) continue;
      const asked = first + random.below(last - first + 1);
      let oldest = Infinity;
      for (let each = asked; each <= last; each++) oldest = Math.min(oldest, lies.get(each)!);
      const said = places.segmentFrom(GROUP, asked);
      assert.ok(said !== undefined && said <= oldest, `seed ${seed}, step ${step}: ${said} of ${oldest}`);
      // The oldest place is exact, so that what is not needed goes.
      assert.is(said, lies.get(asked), `seed ${seed}, step ${step}`);
    }
  }
});

test.run();
