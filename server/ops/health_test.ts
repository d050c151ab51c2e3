/**
 * What `/readyz` answers to whom.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { type NodeTrouble, readinessOf } from "../api/trouble.ts";
import { handleOps } from "./health.ts";
import { Metrics } from "./metrics.ts";

const test = suite("health");

const FULL: NodeTrouble = { kind: "diskFull", reason: "no room on the disk" };
const ORPHAN: NodeTrouble = { kind: "noLeader", reason: "partition 3 has no leader" };

async function ask(query: string, troubles: readonly NodeTrouble[]): Promise<readonly [number, string]> {
  const request = new Request(`http://x/readyz${query}`);
  const response = await handleOps(request, {
    metrics: new Metrics(),
    readiness: () => readinessOf(troubles),
  });
  return [response.status, await response.text()];
}

test("a node without troubles is ready", async () => {
  for (const query of ["", "?for=reads", "?for=all"]) assert.equal(await ask(query, []), [200, "ok\n"]);
  assert.equal(await ask("?verbose", []), [200, "ok\n"]);
});

test("the first reason is told, and all of them to who asks", async () => {
  assert.equal(await ask("", [ORPHAN, FULL]), [503, "partition 3 has no leader\n"]);
  const all = "not ready\nnoLeader: partition 3 has no leader\ndiskFull: no room on the disk\n";
  assert.equal(await ask("?verbose", [ORPHAN, FULL]), [503, all]);
});

test("what is full is ready for reads, and what has no leader is not", async () => {
  assert.equal(await ask("", [FULL]), [503, "no room on the disk\n"]);
  assert.equal(await ask("?for=reads", [FULL]), [200, "ok\n"]);
  assert.equal(await ask("?for=reads&verbose", [FULL]), [200, "ok\ndiskFull: no room on the disk\n"]);
  assert.equal(await ask("?for=reads", [FULL, ORPHAN]), [503, "no room on the disk\n"]);
  assert.is((await ask("?for=writes", []))[0], 400);
});

test("what an operator must see to while calls succeed is told to who asks for all, after all else", async () => {
  const distrust: NodeTrouble = { kind: "peerDistrusted", reason: "node 2 has lost something" };
  assert.equal(await ask("", [distrust]), [200, "ok\n"]);
  assert.equal(await ask("?for=reads", [distrust, FULL]), [200, "ok\n"]);
  const told = "peerDistrusted: node 2 has lost something\n";
  assert.equal(await ask("?verbose", [distrust]), [200, `ok\n${told}`]);
  assert.equal(await ask("", [distrust, ORPHAN]), [503, `${ORPHAN.reason}\n`]);
  const all = `not ready\nnoLeader: ${ORPHAN.reason}\n${told}`;
  assert.equal(await ask("?verbose", [distrust, ORPHAN]), [503, all]);
});

test.run();
