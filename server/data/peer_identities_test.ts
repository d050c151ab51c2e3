/**
 * Which peers are let in with which data directory, across restarts.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { type DiskCall, MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { PeerIdentities, PeerIdentitiesError } from "./peer_identities.ts";
import { Troubles } from "./troubles.ts";

const test = suite("peer register");
const directory = Deno.makeTempDirSync({ prefix: "prkdb-peers-" });
const open = () =>
  PeerIdentities.open({ fileSystem: new DenoFileSystem(), directory, troubles: new Troubles() });

test.after(() => Deno.removeSync(directory, { recursive: true }));

test("the first directory of a peer is remembered, another one is not let in", async () => {
  const register = await open();
  assert.is(register.expected(2), "");
  assert.is(await register.recognizes(2, "first"), true);
  assert.is(await register.recognizes(2, "first"), true);
  assert.is(await register.recognizes(2, "second"), false);
  const admitted = await Promise.all([
    register.recognizes(3, "a"),
    register.recognizes(3, "b"),
    register.recognizes(4, "c"),
  ]);
  assert.equal(admitted, [true, false, true]);
  const again = await open();
  assert.equal([2, 3, 4].map((peer) => again.expected(peer)), ["first", "a", "c"]);
  assert.is(await again.recognizes(2, "second"), false);
});

test("the n-th call to the disk fails, for every n: the reason is named, and it is saved the next time", async () => {
  for (let failing = 0;; failing++) {
    let calls = -1;
    const fault = ({ operation }: DiskCall) =>
      calls >= 0 && calls++ === failing ? new Error(`${operation}: no space left`) : undefined;
    const disk = new MemoryDisk({ random: new SeededRandom(1), fault });
    const fileSystem = disk.mount();
    await fileSystem.createDirectory("data");
    const troubles = new Troubles();
    const place = { fileSystem, directory: "data", troubles };
    const register = await PeerIdentities.open(place);
    calls = 0;
    const first = await register.recognizes(2, "a").catch(String);
    if (first === true) break;
    assert.match(String(first), /peers\.json.*no space left/);
    assert.match(troubles.reasonOf("peers_file") ?? "", /no space left/);
    assert.is(register.expected(2), "", "nothing is known that is not durable");
    assert.is(await register.recognizes(2, "a"), true);
    assert.equal(troubles.list(), []);
    disk.crash({ lostPercent: 100, garbledPercent: 0 });
    const again = await PeerIdentities.open({ ...place, fileSystem: disk.mount() });
    assert.is(again.expected(2), "a");
    assert.ok(failing < 20);
  }
});

test("a register that cannot be read is refused", async () => {
  Deno.writeTextFileSync(`${directory}/peers.json`, '{"2": 7}');
  const { message } = await assertRejects(open, (error) => error instanceof PeerIdentitiesError);
  assert.match(message, /peers\.json/);
});

test.run();
