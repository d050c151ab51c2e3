/**
 * Every call says which cluster it means: by every way in, for every method, a node of another cluster
 * refuses it and does nothing.
 *
 * @module
 */

import { ClusterService, KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { BASE, handler } from "./asking.ts";
import { type Answer, CALLERS, type ConformanceCall, type ConformanceCaller, pathOf } from "./callers.ts";
import { bytes, call, errorInfo, ok, refused } from "./case.ts";
import { FakeNode } from "./fake_node.ts";

const test = suite("the cluster of a call");

const { put, get, getMany, writeBatch } = KvService.method;
const METHODS = [
  ...Object.values(KvService.method),
  ...Object.values(ClusterService.method),
].filter(({ methodKind }) => methodKind === "unary");
const FOREIGN = refused(
  "failed_precondition",
  'Cannot serve a call for cluster "another": this node belongs to cluster test-cluster: ' +
    "ask a node of your cluster, and check the address",
  [errorInfo("WRONG_CLUSTER")],
);

/** Who asks whom. */
interface Asking {
  readonly node: FakeNode;
  readonly caller: ConformanceCaller;
  readonly clusterId: string;
}

/** The node's answer to `asked`, by `caller`, with `clusterId` in the header. */
async function answerFor(
  { node, caller, clusterId }: Asking,
  asked: ConformanceCall,
): Promise<Answer> {
  const request = await caller.request({ ...asked, headers: { "prkdb-cluster": clusterId } }, BASE);
  return await caller.answer(asked, await handler({ node })(request));
}

function callersOf({ desc }: ConformanceCall): readonly ConformanceCaller[] {
  const isSafe = desc.idempotency === 1;
  return CALLERS.filter(({ isSafeOnly }) => isSafe || !isSafeOnly);
}

test("a call for another cluster is refused by every way in, and nothing is done", async () => {
  const node = new FakeNode();
  let asked = 0;
  for (const desc of METHODS) {
    const empty = call(desc as typeof get, {});
    for (const caller of callersOf(empty)) {
      const answer = await answerFor({ node, caller, clusterId: "another" }, empty);
      assert.equal(answer, FOREIGN, `${desc.name} by ${caller.name}`);
      asked++;
    }
  }
  assert.ok(asked > 50, `${asked} calls`);
  for (const caller of callersOf(call(put, {}))) {
    for (
      const write of [
        call(put, { key: bytes("a"), value: bytes("b") }),
        call(writeBatch, { mutations: [{ kind: { case: "delete", value: { key: bytes("a") } } }] }),
      ]
    ) {
      assert.equal(await answerFor({ node, caller, clusterId: "another" }, write), FOREIGN);
    }
  }
  assert.equal(node.seen, []);
});

test("a call for the node's own cluster is served, and one that does not say too", async () => {
  const node = new FakeNode();
  for (const caller of callersOf(call(getMany, {}))) {
    const asked = call(getMany, { keys: [bytes("a")] });
    assert.equal(await answerFor({ node, caller, clusterId: "test-cluster" }, asked), ok({ results: [{}] }));
    const silent = await caller.request(asked, BASE);
    assert.is((await handler({ node })(silent)).status, 200);
  }
});

test("a node that does not know its cluster yet sends callers elsewhere", async () => {
  const node = new FakeNode();
  node.clusterId = "";
  for (const caller of callersOf(call(put, {}))) {
    const answer = await answerFor(
      { node, caller, clusterId: "test-cluster" },
      call(put, { key: bytes("a") }),
    );
    assert.is(answer.ok ? "ok" : answer.code, "unavailable", caller.name);
  }
  assert.equal(node.seen, []);
});

test("a watch of another cluster's changes is refused", async () => {
  const node = new FakeNode();
  const response = await handler({ node })(
    new Request(BASE + pathOf(ClusterService.method.watchChanges), {
      method: "POST",
      headers: { "content-type": "application/connect+json", "prkdb-cluster": "another" },
      body: Uint8Array.of(0, 0, 0, 0, 2, 0x7b, 0x7d),
    }),
  );
  assert.match(await response.text(), /failed_precondition.*another.*test-cluster/);
  assert.is(node.listenerCount, 0);
});

test("a long name of a cluster is not repeated as a whole", async () => {
  const answer = await answerFor(
    { node: new FakeNode(), caller: CALLERS[0]!, clusterId: "x".repeat(4_000) },
    call(put, {}),
  );
  assert.ok(!answer.ok && answer.message.length < 300);
});

test.run();
