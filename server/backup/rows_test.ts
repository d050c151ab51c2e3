/**
 * Rows of a state machine as backups tell them: keys with what they had left, and nothing else.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { openStore, pointAt, STORE_DIRECTORY } from "../../tests/support/storage/store_fixture.ts";
import { joinPath } from "../../wal-wasm/mod.ts";
import { expiryChange, timeChange } from "../kv/state_rows.ts";
import { rowKey, SESSION_ROWS, type StateChange, USER_ROWS } from "../kv/state_store.ts";
import { numberedName } from "../storage/manifest/mod.ts";
import type { Store } from "../storage/mod.ts";
import { backedUpRows } from "./rows.ts";

const test = suite("rows of backups");
const bytes = (text: string) => new TextEncoder().encode(text);

/** What a state of these rows is told as, a line for each key. */
async function toldOf(...rounds: readonly (readonly StateChange[])[]): Promise<readonly string[]> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  const store = await openStore(disk);
  for (const [at, changes] of rounds.entries()) {
    store.write(changes, at + 1);
    await store.flush(pointAt(at + 1));
  }
  const told = await rowsOf(store, disk);
  await store.close();
  return told;
}

async function rowsOf(store: Store, disk: MemoryDisk): Promise<readonly string[]> {
  const snapshot = store.openSnapshot();
  const place = {
    fileSystem: disk.mount(),
    pathOfRecord: ({ fileNumber }: { readonly fileNumber: number }) =>
      joinPath(STORE_DIRECTORY, numberedName(fileNumber, "table")),
  };
  const told: string[] = [];
  for await (const { key, ttlMs, value } of backedUpRows({ description: snapshot }, place)) {
    const text = new TextDecoder();
    told.push(`${text.decode(key)}=${text.decode(value)}${ttlMs === undefined ? "" : ` for ${ttlMs}`}`);
  }
  snapshot.release();
  return told;
}

const put = (key: string, value: string): StateChange => (
  { key: rowKey(USER_ROWS, bytes(key)), value: bytes(value) }
);
const remove = (key: string): StateChange => ({ key: rowKey(USER_ROWS, bytes(key)), value: undefined });
const until = (key: string, timeMs: number | undefined) => expiryChange(bytes(key), timeMs);

test("keys come with what they had left, and expired ones not at all", async () => {
  const keys = ["a", "ab", "b", "c", "d"].map((key) => put(key, `of ${key}`));
  const times = [until("a", 100), until("ab", 101), until("c", 99), until("d", 5_000)];
  assert.equal(await toldOf([...keys, ...times, timeChange(100)]), [
    "ab=of ab for 1",
    "b=of b",
    "d=of d for 4900",
  ]);
});

test("what was changed later counts, and what is gone is gone", async () => {
  const told = await toldOf(
    [put("a", "1"), put("b", "1"), put("c", "1"), until("a", 50), until("b", 50), timeChange(10)],
    [put("a", "2"), until("a", undefined), remove("b"), until("b", undefined), put("c", "2"), until("c", 70)],
    [timeChange(20)],
  );
  assert.equal(told, ["a=2", "c=2 for 50"]);
});

test("sessions, and times of keys that are not there, are nothing", async () => {
  const session = { key: rowKey(SESSION_ROWS, new Uint8Array(8).fill(255)), value: bytes("a session") };
  assert.equal(await toldOf([session, timeChange(7)]), []);
  assert.equal(await toldOf([session, until("a", 50), put("b", "1")]), ["b=1"]);
  assert.equal(await toldOf([put("a", "1"), until("a", 50)]), ["a=1 for 50"]);
});

test.run();
