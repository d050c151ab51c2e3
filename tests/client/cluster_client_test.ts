/**
 * Changes to the cluster by the client, against a fake cluster: what is sent, when it is asked again, and
 * what of the stream of changes arrives when nodes fail.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import type { ChangeProgress } from "../../client/cluster/change_watch.ts";
import { PrkDbClient } from "../../client/mod.ts";
import type { PrkDbError } from "../../client/transport/error.ts";
import { fetchCaller } from "../../client/transport/fetch_caller.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("cluster client");

function what({ changes }: FakeCluster): readonly string[] {
  return changes.taken.map((each) => each.what);
}

test("every change is asked for as it was meant, and has an id", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    assert.is(await changes.addNode({ nodeId: 4, address: "a:1" }), "change-1");
    assert.is(await changes.removeNode(3), "change-2");
    assert.is(await changes.moveReplica({ partitionId: 0, from: 1, to: 4 }), "change-3");
    assert.is(await changes.transferLeadership({ partitionId: 5, to: 2 }), "change-4");
    assert.is(await changes.rebalance(), "change-5");
    assert.is(await changes.setReplicationFactor(5), "change-6");
    assert.equal(what(cluster), [
      "addNode 4 a:1",
      "removeNode 3",
      "moveReplica 0 1 4",
      "transferLeadership 5 2",
      "rebalance",
      "setReplicationFactor 5",
    ]);
  }));

test("wrong arguments are refused before anything is sent", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    const wrong: readonly (() => Promise<string>)[] = [
      () => changes.addNode({ nodeId: 0, address: "a:1" }),
      () => changes.addNode({ nodeId: 2 ** 32, address: "a:1" }),
      () => changes.addNode({ nodeId: 4 } as { nodeId: number; address: string }),
      () => changes.removeNode(1.5),
      () => changes.moveReplica({ partitionId: -1, from: 1, to: 2 }),
      () => changes.transferLeadership({ partitionId: 0, to: NaN }),
      () => changes.rebalance({ timeoutMs: 0 }),
      ...[0, 2, 17, 1.5, NaN].map((factor) => () => changes.setReplicationFactor(factor)),
    ];
    for (const call of wrong) {
      await assertRejects(call, (error) => error instanceof TypeError || error instanceof RangeError);
    }
    assert.equal(what(cluster), []);
  }));

test("what the cluster refuses is said at once", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    let asked = 0;
    cluster.changes.fault = () => {
      asked++;
      return { kind: "error", code: Code.InvalidArgument, message: "there is no node 9" };
    };
    const error = await assertRejects(() => changes.removeNode(9)) as PrkDbError;
    assert.is(error.code, "invalid_argument");
    assert.is(error.message, "there is no node 9");
    assert.is(asked, 1);
  }));

test("`unavailable` is waited out, by every kind of change", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    let left = 0;
    cluster.changes.fault = () =>
      left-- > 0 ? { kind: "error", code: Code.Unavailable, message: "no leader" } : undefined;
    for (
      const change of [() => changes.removeNode(3), () => changes.addNode({ nodeId: 4, address: "a:1" })]
    ) {
      left = 5;
      await change();
    }
    assert.equal(what(cluster), ["removeNode 3", "addNode 4 a:1"]);
  }));

test("what never succeeds ends at its deadline and says why", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    let asked = 0;
    // That a node ran out of time must not hide what another had said.
    cluster.changes.fault = () =>
      ++asked === 1
        ? { kind: "error", code: Code.Unavailable, message: "no leader" }
        : { kind: "error", code: Code.DeadlineExceeded, message: "too late" };
    const error = await assertRejects(() => changes.rebalance({ timeoutMs: 300 })) as PrkDbError;
    assert.is(error.code, "deadline_exceeded");
    assert.match(error.message, /no leader/);
    assert.ok(asked > 1);
  }, { attempts: 1_000 }));

test("a lost answer is asked for again where that changes nothing, and told where it might", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    const lost = new Set<string>();
    cluster.changes.fault = (asked) => {
      if (lost.has(asked)) return undefined;
      lost.add(asked);
      return { kind: "loseAnswer" };
    };
    await changes.addNode({ nodeId: 4, address: "a:1" });
    await changes.transferLeadership({ partitionId: 0, to: 2 });
    await changes.rebalance();
    await changes.setReplicationFactor(1);
    const error = await assertRejects(() =>
      changes.moveReplica({ partitionId: 0, from: 1, to: 4 })
    ) as PrkDbError;
    assert.is(error.code, "aborted");
    assert.is((await assertRejects(() => changes.removeNode(3)) as PrkDbError).code, "aborted");
    const counts = Map.groupBy(what(cluster), (each) => each.split(" ")[0]!);
    assert.equal([...counts].map(([name, all]) => [name, all.length]), [
      ["addNode", 2],
      ["transferLeadership", 2],
      ["rebalance", 2],
      ["setReplicationFactor", 2],
      ["moveReplica", 1],
      ["removeNode", 1],
    ]);
  }));

test("dead nodes are passed by, also by changes that must not be asked for twice", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    await cluster.stopNode(0);
    await cluster.stopNode(2);
    for (let round = 0; round < 4; round++) await changes.moveReplica({ partitionId: 0, from: 1, to: 4 });
    assert.equal(cluster.changes.taken.map(({ node }) => node), [1, 1, 1, 1]);
  }));

test("a signal ends the wait with its reason", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.fault = () => ({ kind: "error", code: Code.Unavailable, message: "no leader" });
    const controller = new AbortController();
    const reason = new Error("enough");
    const asked = changes.rebalance({ signal: controller.signal });
    controller.abort(reason);
    assert.is(await assertRejects(() => asked), reason);
    assert.is(await assertRejects(() => changes.rebalance({ signal: controller.signal })), reason);
    const watch = changes.watchChanges({ signal: controller.signal });
    assert.is(await assertRejects(() => watch.next()), reason);
  }));

test("a watch tells what is retained and every step, and ends when nobody listens", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.tell({ changeId: "a", description: "first", done: 1, total: 1, finished: true });
    const seen: ChangeProgress[] = [];
    for await (const progress of changes.watchChanges()) {
      seen.push(progress);
      if (seen.length === 1) cluster.changes.tell({ changeId: "b", total: 2 });
      if (seen.length === 2) {
        cluster.changes.tell({ changeId: "b", done: 1, total: 2, error: "no", finished: true });
      }
      if (seen.length === 3) break;
    }
    assert.equal(seen, [
      { changeId: "a", description: "first", done: 1, total: 1, isFinished: true, error: "" },
      { changeId: "b", description: "", done: 0, total: 2, isFinished: false, error: "" },
      { changeId: "b", description: "", done: 1, total: 2, isFinished: true, error: "no" },
    ]);
    while (cluster.changes.watchCount > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }));

test("a watch goes on over other nodes when its node dies or breaks off, and repeats nothing", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.tell({ changeId: "a", done: 1, total: 9 });
    const watch = changes.watchChanges();
    assert.is((await watch.next()).value.done, 1);
    for (let node = 0; node < 3; node++) cluster.changes.breakWatches(node);
    cluster.changes.tell({ changeId: "a", done: 2, total: 9 });
    assert.is((await watch.next()).value.done, 2);
    cluster.changes.end();
    await cluster.stopNode(0);
    await cluster.stopNode(1);
    // What a lagging node knows is behind what was seen already.
    cluster.changes.tell({ changeId: "a", done: 1, total: 9 });
    cluster.changes.tell({ changeId: "b", done: 0, total: 1 });
    assert.is((await watch.next()).value.changeId, "b");
    await watch.return(undefined as never);
  }));

test("a node that tells nothing is not listened to for ever", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.mute.add(0).add(1).add(2);
    const watch = changes.watchChanges();
    const first = watch.next();
    while (cluster.changes.watchesOpened < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    // Told while it was mute: only another watch will hear of it.
    cluster.changes.tell({ changeId: "a" });
    cluster.changes.mute.clear();
    assert.is((await first).value.changeId, "a");
    assert.ok(cluster.changes.watchesOpened >= 2);
    await watch.return(undefined as never);
  }));

test("the changes that are known can be asked for, from whichever node answers", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    assert.equal(await changes.changes(), []);
    cluster.changes.tell({ changeId: "a", finished: true });
    cluster.changes.tell({ changeId: "b", total: 2 });
    cluster.changes.mute.add(1);
    await cluster.stopNode(0);
    for (let round = 0; round < 3; round++) {
      const known = await changes.changes();
      assert.equal(known.map(({ changeId, isFinished }) => [changeId, isFinished]), [["a", true], [
        "b",
        false,
      ]]);
    }
    cluster.changes.mute.add(2);
    const late = await assertRejects(() => changes.changes({ timeoutMs: 200 })) as PrkDbError;
    assert.is(late.code, "deadline_exceeded");
  }));

test("a change is waited for to its end, with its steps", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.onTaken = (changeId) => {
      cluster.changes.tell({ changeId: "another", finished: true });
      cluster.changes.tell({ changeId, done: 1, total: 2 });
    };
    const id = await changes.rebalance();
    const steps: number[] = [];
    const end = await changes.waitForChange(id, {
      onProgress: ({ done }) => {
        steps.push(done);
        if (done === 1) cluster.changes.tell({ changeId: id, done: 2, total: 2, finished: true });
      },
    });
    assert.equal(steps, [1, 2]);
    assert.equal(end, { changeId: id, description: "", done: 2, total: 2, isFinished: true, error: "" });
    // It is retained, so that who comes late learns of the end too.
    assert.equal(await changes.waitForChange(id), end);
  }));

test("a change that ended undone, and one that does not end in time, are errors", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.tell({ changeId: "a", finished: true, error: "node 4 was removed" });
    const undone = await assertRejects(() => changes.waitForChange("a")) as PrkDbError;
    assert.is(undone.code, "aborted");
    assert.match(undone.message, /node 4 was removed/);
    const late = await assertRejects(() => changes.waitForChange("b", { timeoutMs: 100 })) as PrkDbError;
    assert.is(late.code, "deadline_exceeded");
  }));

test("a change that does not exist is not waited for", () =>
  inCluster(async (cluster, { cluster: changes }) => {
    cluster.changes.knowsAll = true;
    cluster.changes.tell({ changeId: "a", finished: true });
    const error = await assertRejects(() => changes.waitForChange("no-such-id")) as PrkDbError;
    assert.is(error.code, "invalid_argument");
    assert.match(error.message, /no-such-id/);
    assert.is((await changes.waitForChange("a")).isFinished, true);
    for (const id of ["", 7 as unknown as string]) {
      await assertRejects(() => changes.waitForChange(id), (thrown) => thrown instanceof TypeError);
    }
  }));

test("closing the client ends its watches", async () => {
  const cluster = new FakeCluster();
  try {
    const client = await PrkDbClient.connect(cluster.addresses);
    const waiting = client.cluster.waitForChange("a");
    while (cluster.changes.watchCount < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const closed = client.close();
    assert.is((await assertRejects(() => waiting) as PrkDbError).code, "closed");
    await closed;
    assert.is((await assertRejects(() => client.cluster.rebalance()) as PrkDbError).code, "closed");
  } finally {
    await cluster.close();
  }
});

test("a caller without streams cannot be watched over", async () => {
  const cluster = new FakeCluster();
  try {
    const whole = fetchCaller();
    const client = await PrkDbClient.connect(cluster.addresses, {
      caller: { call: (call) => whole.call(call) },
    });
    const error = await assertRejects(() => client.cluster.watchChanges().next()) as PrkDbError;
    assert.is(error.code, "unimplemented");
    await client.close();
  } finally {
    await cluster.close();
  }
});

test.run();
