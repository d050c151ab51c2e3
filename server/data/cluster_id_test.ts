/**
 * The id of a cluster: half from the flags, half drawn; settled once, and kept.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { ClusterId, ClusterIdError, isUndrawn, undrawnId } from "./cluster_id.ts";

const test = suite("cluster id");

const HALF = "4be1c77a90d2f318";
const UNDRAWN = `${HALF}0000000000000000`;
const OURS = `${HALF}9d0c52a6e1b7f384`;
const OTHERS = `${HALF}1111111122222222`;
/** Of a directory that an earlier version has made. */
const EARLIER = `${HALF}${HALF}`;
const directory = "data/node-1";

async function place(first: string) {
  const disk = new MemoryDisk({ random: new SeededRandom(1), fault: () => fault });
  const fileSystem = disk.mount();
  await fileSystem.createDirectory(directory);
  return { fileSystem, directory, first };
}

/** What every call of the disk fails with. */
let fault: Error | undefined;

const words = (...list: number[]) => () => list.shift()!;

test("half of it follows from flags, the other half is drawn", async () => {
  const id = await ClusterId.open(await place(UNDRAWN));
  assert.is(undrawnId(`${HALF}ffffffffffffffff`), UNDRAWN);
  assert.ok(isUndrawn(UNDRAWN) && !isUndrawn(OURS));
  assert.equal([id.value, id.settledValue, id.isSettled], [UNDRAWN, "", false]);
  assert.is(id.draw(words(0x9d0c52a6, 0xe1b7f384)), OURS);
  assert.is(id.draw(words(-1, 1)), `${HALF}ffffffff00000001`);
  assert.is.not(id.draw(), id.draw());
});

test("it is settled once, durably, and every later start knows it", async () => {
  const where = await place(UNDRAWN);
  const id = await ClusterId.open(where);
  await Promise.all([id.settle(OURS), id.settle(OURS)]);
  await id.settled;
  assert.equal([id.value, id.settledValue, id.isSettled], [OURS, OURS, true]);
  assert.is(id.draw(), OURS, "a settled node founds no other cluster");
  const again = await ClusterId.open(where);
  await again.settled;
  assert.is(again.settledValue, OURS);
  assert.instance(await assertRejects(() => again.settle(OTHERS)), ClusterIdError);
  assert.is(again.value, OURS);
});

test("of two ids at the same time one counts", async () => {
  const id = await ClusterId.open(await place(UNDRAWN));
  const [first, second] = await Promise.allSettled([id.settle(OURS), id.settle(OTHERS)]);
  assert.equal([first.status, second.status], ["fulfilled", "rejected"]);
  assert.is(id.value, OURS);
});

test("whom a node takes for one of its cluster", async () => {
  const open = await ClusterId.open(await place(UNDRAWN));
  const foreign = `ffffffffffffffff${HALF}`;
  assert.equal([UNDRAWN, OURS, EARLIER, foreign, "", HALF].map((id) => open.matches(id)), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  await open.settle(OURS);
  assert.equal([UNDRAWN, OURS, OTHERS, EARLIER, foreign, ""].map((id) => open.matches(id)), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test("a directory of an earlier version keeps its id, and nothing is written", async () => {
  const where = await place(EARLIER);
  const id = await ClusterId.open(where);
  assert.equal([id.settledValue, id.draw()], [EARLIER, EARLIER]);
  await id.settle(EARLIER);
  assert.instance(await assertRejects(() => id.settle(OURS)), ClusterIdError);
  assert.equal(await where.fileSystem.list(directory), []);
});

test("what cannot be kept now is kept when it is tried again", async () => {
  const where = await place(UNDRAWN);
  const id = await ClusterId.open(where);
  fault = new Error("disk full");
  const { message } = await assertRejects(() => id.settle(OURS));
  fault = undefined;
  assert.match(message, /disk full/);
  assert.is(id.isSettled, false);
  await id.settle(OURS);
  assert.is(id.settledValue, OURS);
});

test("a file that cannot be read, or is another cluster's, is refused with its name", async () => {
  const where = await place(UNDRAWN);
  await (await ClusterId.open(where)).settle(OURS);
  const foreign = { ...where, first: `ffffffffffffffff${"0".repeat(16)}` };
  assert.match(
    (await assertRejects(() => ClusterId.open(foreign))).message,
    /cluster_id\.json.*names cluster/,
  );
  for (
    const text of [
      "{",
      '{"format":2}',
      '{"format":1,"clusterId":"xyz"}',
      `{"format":1,"clusterId":"${UNDRAWN}"}`,
    ]
  ) {
    const file = await where.fileSystem.create(`${directory}/cluster_id.json`);
    file.writeSync(new TextEncoder().encode(text), 0);
    file.close();
    assert.match(
      (await assertRejects(() => ClusterId.open(where))).message,
      /Cannot read "cluster_id\.json"/,
    );
  }
});

test.run();
