/**
 * What is said of a node of a local cluster that has ended: no command that cannot help.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { adviceAfter, type LocalEnd } from "./local_advice.ts";
import type { LocalNode } from "./local_nodes.ts";

const test = suite("local advice");

function node(nodeId: number): LocalNode {
  const address = `127.0.0.1:${50_050 + nodeId}`;
  const flags = [`--node-id=${nodeId}`, "--cluster-nodes=1@a:1"];
  return { nodeId, address, metricsPort: 9_090 + nodeId, flags };
}

const END: LocalEnd = {
  node: node(2),
  exitCode: 1,
  args: ["--cors-origin", "it's"],
  isForgotten: false,
  isRemoved: false,
  running: [node(1), node(3)],
  startedCount: 3,
  freeId: 4,
  programs: { server: "deno task server", cli: "deno task cli" },
};
const AGAIN = "deno task server --node-id=2 --cluster-nodes=1@a:1 --cors-origin 'it'\\''s'";

test("a node that may come back is started by a command", () => {
  const text = adviceAfter({ ...END, exitCode: 137 });
  assert.ok(text.startsWith("cluster: node 2 ended with exit code 137. To start it again, "), text);
  assert.ok(text.endsWith(`from this directory:\n  ${AGAIN}`), text);
  assert.match(
    adviceAfter({ ...END, programs: { server: "prkdb server", cli: "prkdb" } }),
    "\n  prkdb server --node-id=2 ",
  );
});

test("a node that refuses to start is to be mended first", () => {
  const text = adviceAfter({ ...END, exitCode: 2 });
  assert.match(text, /ended with exit code 2: it refuses to start as long as .* When that is mended, from/);
  assert.match(text, AGAIN);
});

test("a node whose disk was lost is replaced, with commands that can be copied", () => {
  const text = adviceAfter({ ...END, isForgotten: true });
  assert.match(text, /starting it again will not help/);
  assert.not.match(text, /--node-id=2\b/);
  assert.ok(
    text.endsWith(
      "\n  deno task server --node-id=4 --join=http://127.0.0.1:50051\n" +
        "  deno task cli --address http://127.0.0.1:50051 cluster remove-node 2 --watch",
    ),
    text,
  );
});

test("where too few are left, nothing is promised", () => {
  for (const running of [[], [node(1)]]) {
    const text = adviceAfter({ ...END, isForgotten: true, running });
    assert.match(text, /too few nodes are left .* stop the cluster and remove \.\/data$/);
    assert.not.match(text, /--join/);
  }
});

test("a node that was removed needs nothing", () => {
  const text = adviceAfter({ ...END, isForgotten: true, isRemoved: true });
  assert.match(text, /was removed from the cluster, .* nothing needs to be done$/);
  assert.not.match(text, /task/);
});

test.run();
