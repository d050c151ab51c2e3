/**
 * The client against a fake cluster that fails: leaders that move, die, pause or lose their answers. What is
 * asserted is the outcome and how often a write took effect, not how long it took, except where the time is
 * the point.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import { PrkDbClient } from "../../client/mod.ts";
import { PreconditionError, type PrkDbError } from "../../client/transport/error.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { ManualClock } from "../support/clock/manual_clock.ts";
import { freePorts } from "../support/cluster/free_port.ts";
import { FakeCluster, type Fault, type SeenCall } from "./fake_cluster.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("client under failures");

/** Faults for the first calls, in their order; what follows passes. */
function script(...faults: readonly (Fault | undefined)[]): (call: SeenCall) => Fault | undefined {
  const left = [...faults];
  return () => left.shift();
}

test("an answer that is lost after the write took effect is asked for again, and the write counts once", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = script({ kind: "loseAnswer" }, { kind: "loseAnswer" });
    assert.is((await client.put("key", "x")).version, 1);
    assert.equal(cluster.applied, ["key"]);
    assert.equal(cluster.calls.map((call) => call.sequence), [1, 1, 1]);
  }));

test("the same for hundreds of joined writes over all partitions", () =>
  inCluster(async (cluster, client) => {
    let calls = 0;
    cluster.fault = () => ++calls % 3 === 1 ? { kind: "loseAnswer" } : undefined;
    const keys = Array.from({ length: 600 }, (_, number) => `key-${number}`);
    await Promise.all(keys.map((key) => client.put(key, "x")));
    assert.equal([...cluster.applied].sort(), [...keys].sort());
  }));

test("the same for a compare-and-set, which must not be refused by its own first attempt", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = script({ kind: "loseAnswer" });
    assert.is((await client.put("key", "x", { precondition: { absent: true } })).version, 1);
    cluster.fault = script({ kind: "loseAnswer" });
    assert.equal(await client.delete("key", { precondition: { version: 1 } }), { existed: true, version: 2 });
  }));

test("NOT_LEADER leads to the leader it names, without asking anybody else", () =>
  inCluster(async (cluster, client) => {
    cluster.elect(cluster.partitionOf("key"), 2);
    const asked = cluster.metadataCalls;
    await client.put("key", "x", { precondition: { absent: true } });
    assert.is(cluster.calls.at(-1)!.node, 2);
    await client.put("key", "y");
    assert.is(cluster.calls.at(-1)!.node, 2);
    assert.is(cluster.metadataCalls, asked);
  }));

test("a hint of an older term is not believed", () =>
  inCluster(async (cluster, client) => {
    const partition = cluster.partitionOf("key");
    for (let term = 2; term < 200; term++) cluster.elect(partition, cluster.leaderOf("key"));
    await client.metadata();
    const leader = cluster.leaderOf("key");
    // The fake's scripted hint is of term 99.
    cluster.fault = script({ kind: "notLeader", leader: (leader + 1) % 3 });
    await client.put("key", "x", { precondition: { absent: true } });
    assert.equal(cluster.calls.map((call) => call.node), [leader, leader]);
  }));

test("a batch of which one partition has moved sends only that partition again, as it was, to its new leader", () =>
  inCluster(async (cluster, client) => {
    const moved = cluster.keysIn(0, 5);
    const stayed = cluster.keysIn(3, 5);
    assert.is(cluster.leaderOf(moved[0]!), cluster.leaderOf(stayed[0]!));
    cluster.elect(0, 1);
    await Promise.all([...moved, ...stayed].map((key) => client.put(key, "x")));
    assert.equal(cluster.calls.map((call) => [call.node, call.sequence]), [[0, 1], [1, 1]]);
    assert.equal(cluster.calls[1]!.keys, moved);
    assert.equal([...cluster.applied].sort(), [...moved, ...stayed].sort());
  }));

test("failed partitions that go to different leaders keep their common sequence", () =>
  inCluster(async (cluster, client) => {
    const [first, second] = [cluster.keysIn(0, 3), cluster.keysIn(3, 3)];
    cluster.elect(0, 1);
    cluster.elect(3, 2);
    await client.writeBatch([...first, ...second].map((key) => ({ kind: "put", key, value: "x" })));
    const retries = cluster.calls.slice(1).sort((a, b) => a.node - b.node);
    assert.equal(retries.map(({ node, sequence, keys }) => ({ node, sequence, keys })), [
      { node: 1, sequence: 1, keys: first },
      { node: 2, sequence: 1, keys: second },
    ]);
  }));

test("an outcome that is unknown is settled by repetition under the same request id", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = script({ kind: "error", code: Code.Aborted, reason: "OUTCOME_UNKNOWN" });
    await client.put("key", "x");
    assert.equal(cluster.calls.map((call) => call.sequence), [1, 1]);
    cluster.fault = script({
      kind: "failPartitions",
      partitions: [cluster.partitionOf("key")],
      code: "OUTCOME_UNKNOWN",
    });
    await client.put("key", "y");
    assert.equal(cluster.calls.map((call) => call.sequence), [1, 1, 2, 2]);
  }));

test("`unavailable` does not use up attempts: an election may last longer than three", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = script(
      ...Array.from({ length: 6 }, () => ({ kind: "error", code: Code.Unavailable }) as const),
    );
    await client.put("key", "x");
    assert.is(cluster.calls.length, 7);
  }));

test("`resource_exhausted` is retried three times and then surfaces", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = () => ({ kind: "error", code: Code.ResourceExhausted });
    const error = await assertRejects(() => client.put("key", "x")) as PrkDbError;
    assert.is(error.code, "resource_exhausted");
    assert.is(error.retryable, true);
    assert.is(cluster.calls.length, 3);
  }));

test("the number of attempts can be chosen", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = () => ({ kind: "error", code: Code.ResourceExhausted });
    await assertRejects(() => client.put("key", "x"));
    assert.is(cluster.calls.length, 1);
  }, { attempts: 1 }));

test("an answer that is for good is not retried", () =>
  inCluster(async (cluster, client) => {
    for (const code of [Code.InvalidArgument, Code.PermissionDenied, Code.Unimplemented, Code.Internal]) {
      cluster.calls.length = 0;
      cluster.fault = () => ({ kind: "error", code });
      const error = await assertRejects(() => client.put("key", "x")) as PrkDbError;
      assert.is(error.retryable, false);
      assert.is(cluster.calls.length, 1);
    }
  }));

test("a dead node is left: the write goes on when its partitions have a new leader", () =>
  inCluster(async (cluster, client) => {
    const key = cluster.keysIn(0, 1)[0]!;
    await cluster.stopNode(0);
    const put = client.put(key, "x");
    // While there is no leader, the client goes to other replicas, which have none to forward to.
    cluster.elect(0, -1);
    while (cluster.calls.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(cluster.calls.every((call) => !call.direct));
    cluster.elect(0, 2);
    await put;
    assert.equal(cluster.applied, [key]);
    // It went through another node; the route is then looked up, without holding anybody up.
    while (!cluster.calls.at(-1)!.direct) await client.put(key, "y");
    assert.is(cluster.calls.at(-1)!.node, 2);
  }));

test("partitions with a leader are served while another has none", () =>
  inCluster(async (cluster, client) => {
    const [lost, fine] = [cluster.keysIn(0, 20), cluster.keysIn(3, 20)];
    cluster.elect(0, -1);
    const waiting = Promise.all(lost.map((key) => client.put(key, "x")));
    for (const key of fine) await Promise.all([client.put(key, "y"), client.get(key)]);
    assert.equal(cluster.applied, fine);
    cluster.elect(0, 1);
    await waiting;
    assert.is(cluster.applied.length, 40);
  }));

test("calls to a partition without a leader pile up in one queue instead of many calls", () =>
  inCluster(async (cluster, client) => {
    const keys = cluster.keysIn(0, 200);
    cluster.elect(0, -1);
    const puts: Promise<unknown>[] = [];
    for (const key of keys) {
      puts.push(client.put(key, "x"));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(cluster.calls.length < 100, `${cluster.calls.length} calls`);
    cluster.elect(0, 1);
    await Promise.all(puts);
    assert.equal([...cluster.applied].sort(), [...keys].sort());
  }));

test("a paused node is found out and its calls go elsewhere, under the same request id", () =>
  inCluster(async (cluster, client) => {
    const key = cluster.keysIn(0, 1)[0]!;
    cluster.paused.add(0);
    const put = client.put(key, "x");
    cluster.elect(0, 1);
    await put;
    assert.equal(cluster.applied, [key]);
  }, { timeoutMs: 6_000 }));

test("a slow node that is alive is waited for, and its call is not sent twice", () =>
  inCluster(async (cluster, client) => {
    const until = new Promise<void>((resolve) => setTimeout(resolve, 2_600));
    cluster.fault = script({ kind: "delay", until });
    await client.put("key", "x");
    assert.is(cluster.calls.length, 1);
  }));

test("a leader that was deposed while it kept silent is not waited for", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = script({ kind: "hang" });
    const put = client.put("key", "x");
    while (cluster.calls.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
    const next = (cluster.leaderOf("key") + 1) % 3;
    cluster.elect(cluster.partitionOf("key"), next);
    await put;
    assert.equal(cluster.calls.map((call) => call.node), [(next + 2) % 3, next]);
    assert.equal(cluster.calls.map((call) => call.sequence), [1, 1]);
  }));

test("a node that forwards in vain, and is elected meanwhile, is asked again as the leader", () =>
  inCluster(async (cluster, client) => {
    const partition = cluster.partitionOf("key");
    let forwarder: number | undefined;
    cluster.fault = (call) => {
      if (call.direct || forwarder !== undefined) return undefined;
      forwarder = call.node;
      return { kind: "hang" };
    };
    cluster.elect(partition, -1);
    const put = client.put("key", "x");
    while (forwarder === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    cluster.elect(partition, forwarder);
    await put;
    assert.is(cluster.calls.at(-1)!.node, forwarder);
    assert.ok(cluster.calls.at(-1)!.direct);
    assert.equal(cluster.applied, ["key"]);
  }));

test("a call whose deadline passes says so, and why it had failed before", async () => {
  const clock = new ManualClock();
  await inCluster(async (cluster, client) => {
    const refused: Fault = { kind: "error", code: Code.Unavailable };
    cluster.fault = (call) => cluster.calls[0] === call ? refused : { kind: "hang" };
    const put = assertRejects(() => client.put("key", "x", { timeoutMs: 60_000 }));
    while (cluster.calls.length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      clock.advance(1);
    }
    // The last attempt is cut off by the deadline itself, which must not hide the reason.
    clock.advance(60_000);
    const error = await put as PrkDbError;
    assert.is(error.code, "deadline_exceeded");
    assert.is((error.cause as PrkDbError).code, "unavailable");
  }, { clock });
});

test("the deadline of the client ends calls that hang and calls that wait behind them", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = () => ({ kind: "hang" });
    const keys = cluster.keysIn(0, 6);
    const calls = [];
    for (const key of keys) {
      calls.push(client.put(key, "x"));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const results = await Promise.allSettled(calls);
    for (const result of results) {
      assert.is(result.status, "rejected");
      assert.is(result.status === "rejected" && result.reason.code, "deadline_exceeded");
    }
    cluster.fault = () => undefined;
    await client.put(keys[0]!, "y");
  }, { timeoutMs: 700 }));

test("a signal ends the wait with its reason; queued writes are not sent", () =>
  inCluster(async (cluster, client) => {
    const keys = cluster.keysIn(0, 3);
    let release = () => {};
    const until = new Promise<void>((resolve) => release = resolve);
    cluster.fault = () => ({ kind: "delay", until });
    const first = client.put(keys[0]!, "x");
    const second = client.put(keys[1]!, "x", { precondition: { absent: true } });
    while (cluster.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = [
      client.put(keys[2]!, "x", { signal: controller.signal }),
      client.get(keys[2]!, { signal: controller.signal }),
      client.writeBatch([{ kind: "delete", key: keys[1]! }], { signal: controller.signal }),
    ];
    controller.abort(reason);
    for (const call of aborted) assert.is(await assertRejects(() => call), reason);
    assert.is(await assertRejects(() => client.put("key", "x", { signal: controller.signal })), reason);
    release();
    await Promise.all([first, second]);
    assert.not(cluster.applied.includes(keys[2]!));
  }));

test("a read of several partitions is retried only where it failed", () =>
  inCluster(async (cluster, client) => {
    const [moved, stayed] = [cluster.keysIn(0, 1)[0]!, cluster.keysIn(3, 1)[0]!];
    await client.put(moved, "m");
    await client.put(stayed, "s");
    cluster.elect(0, 1);
    const values = await client.getMany([stayed, moved]);
    assert.equal(values.map((value) => new TextDecoder().decode(value)), ["s", "m"]);
  }));

test("damaged data is read from another replica as a follower read; writes give up", () =>
  inCluster(async (cluster, client) => {
    await client.put("key", "x");
    cluster.calls.length = 0;
    cluster.fault = script({ kind: "error", code: Code.DataLoss });
    assert.is(await client.getText("key"), "x");
    assert.is(cluster.calls[0]!.node, cluster.leaderOf("key"));
    assert.is.not(cluster.calls[1]!.node, cluster.leaderOf("key"));
    cluster.fault = () => ({ kind: "error", code: Code.DataLoss });
    const error = await assertRejects(() => client.put("key", "y")) as PrkDbError;
    assert.is(error.code, "data_loss");
  }));

test("seeds are the fallback when no node of the metadata answers", () =>
  inCluster(async (cluster, client) => {
    await cluster.stopNode(1);
    await cluster.stopNode(2);
    for (let partition = 0; partition < 6; partition++) cluster.elect(partition, 0);
    await client.put("key", "x");
    assert.is(cluster.calls.at(-1)!.node, 0);
  }));

test("nodes whose advertised addresses cannot be reached are served through the seed, which forwards", async () => {
  const cluster = new FakeCluster();
  try {
    const unused = freePorts(3);
    cluster.advertise = (node) => `127.0.0.1:${unused[node]}`;
    const client = await PrkDbClient.connect([cluster.addresses[0]!]);
    await Promise.all(Array.from({ length: 60 }, (_, number) => client.put(`key-${number}`, "x")));
    assert.is(cluster.applied.length, 60);
    assert.ok(cluster.calls.every((call) => call.node === 0 && !call.direct));
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("a foreign cluster at a known address is not taken for ours", async () => {
  const cluster = new FakeCluster({ nodes: 1 });
  try {
    const client = await PrkDbClient.connect(cluster.addresses);
    cluster.clusterId = "another";
    const error = await assertRejects(() => client.metadata()) as PrkDbError;
    assert.match(error.message, /another/);
    await client.close();
  } finally {
    await cluster.close();
  }
});

test("a retried compare-and-set that was really refused still says so", () =>
  inCluster(async (cluster, client) => {
    await client.put("key", "x");
    cluster.fault = script({ kind: "error", code: Code.Unavailable });
    const error = await assertRejects(() => client.put("key", "y", { precondition: { absent: true } }));
    assert.instance(error, PreconditionError);
    assert.is((error as PreconditionError).currentVersion, 1);
  }));

test("more than a client may hold is refused at once and the rest succeeds", () =>
  inCluster(async (cluster, client) => {
    const puts = Array.from({ length: 100_001 }, (_, number) => client.put(`key-${number % 50}`, ""));
    const results = await Promise.allSettled(puts);
    const refused = results.filter((result) => result.status === "rejected");
    assert.is(refused.length, 1);
    assert.is((refused[0]!.reason as PrkDbError).code, "resource_exhausted");
    assert.is(cluster.applied.length, 100_000);
  }));

test("random failures: every acknowledged write took effect exactly once", () =>
  inCluster(async (cluster, client) => {
    let state = 20_261_101;
    const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
    cluster.fault = () => {
      const choice = random();
      if (choice < 0.08) return { kind: "loseAnswer" };
      if (choice < 0.14) return { kind: "error", code: Code.Unavailable };
      if (choice < 0.20) return { kind: "error", code: Code.Aborted, reason: "OUTCOME_UNKNOWN" };
      if (choice < 0.26) return { kind: "failPartitions", partitions: [0, 4], code: "OUTCOME_UNKNOWN" };
      if (random() < 0.1) cluster.elect(Math.floor(random() * 6), Math.floor(random() * 3));
      return undefined;
    };
    const acknowledged: string[] = [];
    const writer = async (name: number) => {
      for (let number = 0; number < 25; number++) {
        const key = `writer-${name}-${number}`;
        await client.put(key, "x");
        acknowledged.push(key);
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, name) => writer(name)));
    assert.is(acknowledged.length, 500);
    assert.equal([...cluster.applied].sort(), acknowledged.sort());
  }));

test.run();
