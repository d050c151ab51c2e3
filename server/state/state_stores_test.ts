/**
 * The store of a replica that has left is gone, wherever its removal was interrupted, and the next one of its
 * group begins with nothing.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { StateStores } from "./state_stores.ts";

const test = suite("stores of replicas");
const DIRECTORY = "disk/node";
const GROUP = 5;
const KEY = Uint8Array.of(1, 2);
/** More calls than a removal makes of a disk. */
const CALLS_MAX = 60;

class PowerCut extends Error {}

/** A disk whose power may go. */
class Machine {
  readonly disk: MemoryDisk;
  readonly #random: SeededRandom;
  callsLeft = Infinity;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const fault = () => (this.callsLeft-- <= 0 ? new PowerCut() : undefined);
    this.disk = new MemoryDisk({ random: this.#random, fault });
  }

  async open(): Promise<StateStores> {
    const fileSystem = this.disk.mount();
    await fileSystem.createDirectory(DIRECTORY);
    return await StateStores.open({
      fileSystem,
      directory: DIRECTORY,
      cacheBytes: 65_536,
      pause: () => Promise.resolve(),
      randomWord: () => this.#random.word(),
    });
  }

  /** Stores of two groups, each with one key; the first one has taken the place of one that was damaged. */
  async fill(): Promise<StateStores> {
    const fileSystem = this.disk.mount();
    const damaged = `${DIRECTORY}/state/${GROUP}`;
    await fileSystem.createDirectory(damaged);
    await fileSystem.syncDirectory(DIRECTORY);
    this.disk.place(`${damaged}/CURRENT`, Uint8Array.of(1, 2, 3));
    const stores = await this.open();
    for (const group of [GROUP, GROUP + 1]) {
      const { store } = await stores.ensure(group);
      store.write([{ key: KEY, value: Uint8Array.of(9) }], 3);
      await store.flush({ ...store.point, index: 3, term: 1 });
    }
    return stores;
  }
}

test("a store that is taken out of use is removed, and another one is made only then", async () => {
  const machine = new Machine(1);
  const stores = await machine.fill();
  const files = () => machine.disk.paths().filter((path) => path.startsWith(`${DIRECTORY}/state/${GROUP}`));
  assert.ok(files().some((path) => path.startsWith(`${DIRECTORY}/state/${GROUP}.2/`)));
  assert.ok(files().includes(`${DIRECTORY}/state/${GROUP}/CURRENT`), "the damaged one is left alone");
  const { store } = stores.take(GROUP);
  assert.not(stores.all.has(GROUP));
  let isOpen = false;
  const next = stores.ensure(GROUP).then((state) => {
    isOpen = true;
    return state;
  });
  await store.close();
  await stores.removeFiles(GROUP);
  assert.not(isOpen, "it waits");
  assert.equal(files(), []);
  stores.noteRemoved(GROUP);
  const { store: another } = await next;
  assert.is(another.get(KEY), undefined);
  assert.is(another.point.index, 0);
  await stores.close();
});

test("a removal may be cut short at every call of the disk", async () => {
  let steps = 0;
  for (let calls = 0; calls < CALLS_MAX; calls++) {
    for (const lostPercent of [0, 50, 100]) {
      const machine = new Machine(3 * calls + lostPercent);
      const stores = await machine.fill();
      machine.callsLeft = calls;
      const isWhole = await stores.discard(GROUP).then(() => true, () => false);
      machine.callsLeft = Infinity;
      machine.disk.crash({ lostPercent, garbledPercent: 0 });
      const reopened = await machine.open();
      const left = reopened.all.get(GROUP);
      // All of it, or nothing.
      assert.is(left?.store.get(KEY)?.value[0], left && 9);
      if (isWhole) assert.is(left, undefined);
      await reopened.discard(GROUP);
      assert.is((await reopened.ensure(GROUP)).store.get(KEY), undefined);
      assert.is(reopened.get(GROUP + 1).store.get(KEY)?.value[0], 9, "others are as they were");
      await reopened.close();
      if (isWhole && lostPercent === 100) return assert.ok(steps > 5, `${steps} steps`);
    }
    steps++;
  }
  assert.unreachable(`a removal takes more than ${CALLS_MAX} calls`);
});

test.run();
