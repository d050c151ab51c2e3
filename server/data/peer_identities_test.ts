/**
 * Which peers are let in with which data directory, across restarts.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { PeerIdentities, PeerIdentitiesError } from "./peer_identities.ts";

const test = suite("peer register");
const directory = Deno.makeTempDirSync({ prefix: "prkdb-peers-" });
const open = () => PeerIdentities.open(new DenoFileSystem(), directory);

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

test("a register that cannot be read is refused", async () => {
  Deno.writeTextFileSync(`${directory}/peers.json`, '{"2": 7}');
  const { message } = await assertRejects(open, (error) => error instanceof PeerIdentitiesError);
  assert.match(message, /peers\.json/);
});

test.run();
