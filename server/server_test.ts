/**
 * A server that cannot be started leaves nothing open behind it.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { parseConfig } from "./config/mod.ts";
import { Server } from "./server.ts";

const test = suite("server");

test("a stage that fails releases the stages before it", async () => {
  const directory = await Deno.makeTempDir({ prefix: "prkdb-server-" });
  const config = parseConfig(["--node-id=1", "--port=0", "--metrics-port=0", `--data-dir=${directory}/1`]);
  try {
    const first = await Server.start(config);
    await first.stop();
    const register = `${directory}/1/peers.json`;
    await Deno.writeTextFile(register, "no register");
    const refused = await Server.start(config).catch((error) => error);
    assert.is(refused.name, "PeerIdentitiesError");
    await Deno.remove(register);
    const again = await Server.start(config);
    await again.stop();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

test.run();
