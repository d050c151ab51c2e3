/**
 * That a directory that is gone is noticed, and that nothing else is taken for that.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { DirectoryWatch } from "./directory_watch.ts";

const LOOK_MS = 1_000;

const test = suite("directory watch");

/** What each look at one of two locks comes to; then it is there. */
function watchOf(...looks: readonly (boolean | Error)[]): DirectoryWatch {
  const left = [...looks];
  const isInPlace = () => {
    const look = left.shift() ?? true;
    return look instanceof Error ? Promise.reject(look) : Promise.resolve(look);
  };
  const sound = { isInPlace: () => Promise.resolve(true) };
  return new DirectoryWatch({ directory: "/data/node-7", nodeId: 7, locks: [sound, { isInPlace }] });
}

/** The end that `watch` asks for, and at which look. */
async function endOf(watch: DirectoryWatch, looks: number): Promise<readonly [number, string] | undefined> {
  for (let look = 0; look <= looks; look++) {
    const error = watch.look(look * LOOK_MS);
    if (error !== undefined) return [look, error.message];
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return undefined;
}

test("a lock that is not there at two looks in a row is the end, which names directory and node", async () => {
  const [look, message] = (await endOf(watchOf(true, false, false), 5))!;
  assert.is(look, 3);
  assert.match(message, /"\/data\/node-7" was removed, moved away or replaced while node 7 was using it/);
  assert.match(
    message,
    /last found in place 3\.0 s ago: what this node has acknowledged since is safe nowhere/,
  );
});

test("neither errors nor a lock that is there again are the end", async () => {
  const stale = new Error("stale file handle");
  assert.is(await endOf(watchOf(stale, stale, stale, stale), 8), undefined);
  assert.is(await endOf(watchOf(false, true, false, true, false, stale, true), 10), undefined);
});

test("looks are a second apart, and wait for the one before", async () => {
  let looks = 0;
  let finish = (_: boolean) => {};
  const isInPlace = () => {
    looks++;
    return new Promise<boolean>((resolve) => finish = resolve);
  };
  const watch = new DirectoryWatch({ directory: "d", nodeId: 1, locks: [{ isInPlace }] });
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) watch.look(nowMs);
  assert.is(looks, 1);
  finish(true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  for (let nowMs = 10_000; nowMs < 10_900; nowMs += 50) watch.look(nowMs);
  assert.is(looks, 2);
  finish(true);
});

test.run();
