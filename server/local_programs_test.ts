/**
 * Which commands start the programs, for each way in which they are shipped.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { localPrograms } from "./local_programs.ts";

const test = suite("local programs");

test("in the project they are its tasks, and a node is its module", () => {
  const moduleUrl = "file:///a/server/local_cluster.ts";
  const { nodeArgs, server, cli } = localPrograms({ isStandalone: false, moduleUrl });
  assert.is(nodeArgs.at(-1), "file:///a/server/main.ts");
  assert.equal([server, cli], ["deno task server", "deno task cli"]);
});

test("a bundle starts itself, as a node", () => {
  const moduleUrl = "file:///a/dist/prkdb.js";
  const { nodeArgs, server, cli } = localPrograms({ isStandalone: false, moduleUrl });
  assert.equal(nodeArgs.slice(-2), [moduleUrl, "server"]);
  assert.is(nodeArgs[0], "run");
  assert.equal([server, cli], ["deno run -A /a/dist/prkdb.js server", "deno run -A /a/dist/prkdb.js"]);
});

test("a compiled program starts itself", () => {
  const { nodeArgs, server, cli } = localPrograms({ isStandalone: true, moduleUrl: "file:///tmp/prkdb" });
  assert.equal([nodeArgs, server, cli], [["server"], "prkdb server", "prkdb"]);
});

test.run();
