/**
 * What of the log is written again, and what is not.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { GroupId, GroupPersist } from "../../raft/mod.ts";
import { EntryPlaces } from "./entry_places.ts";
import { LogRelease, type LogReleaseOptions } from "./log_release.ts";

const test = suite("log release");
const LOOK_TICKS = 4;

test("while a snapshot is switched to, no entry of its group is written again behind the snapshot's floor", async () => {
  const states = [1, 2].map((group) => ({
    group,
    isInstalling: group === 1,
    store: { point: { index: 5 } },
  }));
  const all = new Map(states.map((state) => [state.group, state]));
  const places = new EntryPlaces();
  for (const { group } of states) places.note({ group, index: 6, segment: 1 });
  const written: GroupId[] = [];
  const released: GroupId[] = [];
  const release = new LogRelease({
    wal: {
      stats: { segmentCount: 4, oldestSegment: 1 },
      groupsHoldingBack: () => [1, 2].filter((group) => !released.includes(group)),
      hasRoomFor: () => true,
      append: () => Promise.resolve({ segment: 4, offset: 0 }),
      releaseBefore: (group: GroupId) => void released.push(group),
    },
    // Entries 6 to 9 wait to be committed, or were replaced elsewhere by what the snapshot holds.
    multiRaft: {
      logBytes: 0,
      status: (group: GroupId) => ({ group, applied: 5, lastIndex: 9 }),
      persistAgain: (group: GroupId) => ({ group, entries: [] }),
      replicaId: () => 0,
    },
    stores: { all },
    flusher: {},
    places,
    budget: { memtableBytes: 0, cacheBytes: 0, logBytes: 1, heldLogBytes: 1, segments: 3 },
    encode: (persist: readonly GroupPersist[]) => {
      written.push(...persist.map(({ group }) => group));
      return [];
    },
    snapshots: { switched: new Set() },
    replicas: new Map(),
    holders: [],
  } as unknown as LogReleaseOptions);
  const look = async () => {
    for (let tick = 0; tick < LOOK_TICKS; tick++) await release.tick();
  };
  await look();
  assert.equal([written, released], [[2], [2]]);
  states[0]!.isInstalling = false;
  await look();
  assert.equal([written, released], [[2, 1], [2, 1]]);
});

test.run();
