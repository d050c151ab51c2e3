/**
 * One suite for every implementation of the log's `FileSystem`: what the log relies on, and nothing more.
 *
 * @module
 */

import { DenoFileSystem, type FileSystem, joinPath } from "../../wal-wasm/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { quietDisk } from "./log_fixture.ts";

interface Subject {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly dispose: () => void;
}

type Check = readonly [title: string, body: (subject: Subject) => Promise<void>];

const CHECKS: readonly Check[] = [
  [
    "what is written is read back, and reading past the end is short",
    async ({ fileSystem, directory }) => {
      const file = await fileSystem.create(joinPath(directory, "f"));
      file.writeSync(Uint8Array.of(1, 2, 3, 4), 0);
      await file.write(Uint8Array.of(9, 9), 1);
      file.writeSync(Uint8Array.of(7), 6);
      await file.syncData();
      const bytes = new Uint8Array(10);
      assert.is(file.readSync(bytes, 0), 7);
      assert.equal([...bytes], [1, 9, 9, 4, 0, 0, 7, 0, 0, 0]);
      assert.is(file.readSync(bytes.subarray(0, 2), 3), 2);
      assert.is(bytes[0], 4);
      assert.is(file.readSync(bytes, 100), 0);
      assert.is(await file.size(), 7);
      file.close();
      file.close();
    },
  ],

  ["create empties what was there, open keeps it", async ({ fileSystem, directory }) => {
    const path = joinPath(directory, "f");
    const first = await fileSystem.create(path);
    first.writeSync(Uint8Array.of(1, 2), 0);
    first.close();
    const again = await fileSystem.open(path);
    assert.is(await again.size(), 2);
    again.close();
    const emptied = await fileSystem.create(path);
    assert.is(await emptied.size(), 0);
    emptied.close();
  }],

  ["writing goes on while a sync is under way", async ({ fileSystem, directory }) => {
    const file = await fileSystem.create(joinPath(directory, "f"));
    file.writeSync(new Uint8Array(4096).fill(1), 0);
    const sync = file.syncData();
    file.writeSync(new Uint8Array(4096).fill(2), 4096);
    await sync;
    const bytes = new Uint8Array(8192);
    assert.is(file.readSync(bytes, 0), 8192);
    assert.is(bytes[4095], 1);
    assert.is(bytes[4096], 2);
    file.close();
  }],

  ["rename replaces, remove removes, list names files only", async ({ fileSystem, directory }) => {
    for (const name of ["x", "y", "z"]) {
      const file = await fileSystem.create(joinPath(directory, name));
      file.writeSync(new TextEncoder().encode(name), 0);
      file.close();
    }
    await fileSystem.createDirectory(joinPath(directory, "below"));
    await fileSystem.rename(joinPath(directory, "x"), joinPath(directory, "y"));
    await fileSystem.remove(joinPath(directory, "z"));
    await fileSystem.syncDirectory(directory);
    assert.equal([...await fileSystem.list(directory)], ["y"]);
    const file = await fileSystem.open(joinPath(directory, "y"));
    const byte = new Uint8Array(1);
    file.readSync(byte, 0);
    assert.is(byte[0], 0x78);
    file.close();
  }],

  ["missing files are refused", async ({ fileSystem, directory }) => {
    const path = joinPath(directory, "nothing");
    const isNotFound = (error: Error) => error instanceof Deno.errors.NotFound;
    await assertRejects(() => fileSystem.open(path), isNotFound);
    await assertRejects(() => fileSystem.remove(path), isNotFound);
    await assertRejects(() => fileSystem.rename(path, joinPath(directory, "other")), isNotFound);
    await assertRejects(() => fileSystem.list(path), isNotFound);
  }],

  ["a lock has one holder", async ({ fileSystem, directory }) => {
    const path = joinPath(directory, "LOCK");
    const lock = await fileSystem.lock(path);
    assert.ok(lock);
    assert.is(await fileSystem.lock(path), undefined);
    lock.release();
    const next = await fileSystem.lock(path);
    assert.ok(next);
    next.release();
  }],

  ["a lock tells whether its file was removed, moved away or replaced", async ({ fileSystem, directory }) => {
    const path = joinPath(directory, "LOCK");
    const lock = await fileSystem.lock(path);
    assert.ok(lock);
    assert.is(await lock.isInPlace(), true);
    const moved = joinPath(directory, "moved");
    await fileSystem.rename(path, moved);
    assert.is(await lock.isInPlace(), false);
    (await fileSystem.create(path)).close();
    assert.is(await lock.isInPlace(), false);
    await fileSystem.rename(moved, path);
    assert.is(await lock.isInPlace(), true);
    await fileSystem.remove(path);
    assert.is(await lock.isInPlace(), false);
    lock.release();
  }],
];

conformance("memory", () => ({
  fileSystem: quietDisk().mount(),
  directory: "root/a",
  dispose: () => {},
}));

conformance("Deno", () => {
  const root = Deno.makeTempDirSync();
  return {
    fileSystem: new DenoFileSystem(),
    directory: joinPath(root, "a"),
    dispose: () => Deno.removeSync(root, { recursive: true }),
  };
});

function conformance(name: string, makeSubject: () => Subject): void {
  const test = suite(`file system: ${name}`);
  for (const [title, body] of CHECKS) {
    test(title, async () => {
      const subject = makeSubject();
      try {
        await subject.fileSystem.createDirectory(subject.directory);
        await body(subject);
      } finally {
        subject.dispose();
      }
    });
  }
  test.run();
}
