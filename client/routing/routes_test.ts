/**
 * Which news about leaders is believed, and where calls are sent.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import {
  type GetMetadataResponse,
  GetMetadataResponseSchema,
  HASH_SPACE,
  hashRangeStart,
} from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { Routes } from "./routes.ts";

const test = suite("client routes");

interface Leader {
  readonly leaderId: number;
  readonly term: number;
}

/** Metadata of three nodes `n1:1` to `n3:1` whose partitions have these leaders. */
function metadata(
  leaders: readonly Leader[],
  changes: { clusterId?: string; epoch?: bigint } = {},
): GetMetadataResponse {
  const count = leaders.length;
  return create(GetMetadataResponseSchema, {
    clusterId: "c",
    epoch: 1n,
    nodes: [1, 2, 3].map((nodeId) => ({ nodeId, address: `n${nodeId}:1` })),
    partitions: leaders.map(({ leaderId, term }, position) => ({
      partitionId: position,
      hashStart: hashRangeStart(position, count),
      hashEnd: BigInt(position + 1 === count ? HASH_SPACE : hashRangeStart(position + 1, count)),
      leaderId,
      term: BigInt(term),
      replicas: [1, 2, 3],
    })),
    ...changes,
  });
}

/** Routes of one partition, and the hand of their clock. */
function routesWith(leader: Leader, seeds: readonly string[] = ["http://n1:1"]) {
  const clock = { timeMs: 0, now: () => clock.timeMs, after: () => () => {} };
  const routes = new Routes(seeds, clock);
  routes.learn(metadata([leader]));
  return { routes, clock, route: routes.partitions[0]! };
}

test("a higher term is believed, a lower one is not", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 });
  routes.learn(metadata([{ leaderId: 2, term: 4 }]));
  assert.equal(routes.leaderOf(route), { address: "http://n1:1", direct: true });
  routes.learn(metadata([{ leaderId: 2, term: 6 }]));
  assert.equal(routes.leaderOf(route), { address: "http://n2:1", direct: true });
});

test("within a term an unknown leader does not replace a known one, but a new term without a leader does", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 });
  routes.learn(metadata([{ leaderId: 0, term: 5 }]));
  assert.is(route.leaderAddress, "http://n1:1");
  routes.learn(metadata([{ leaderId: 0, term: 6 }]));
  assert.is(route.leaderAddress, undefined);
  assert.is(routes.leaderOf(route).direct, false);
});

test("a hint counts as news of its term and says whether it names somebody new", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 });
  assert.is(routes.learnHint(route, { leaderId: 2, leaderAddress: "n2:1", term: 4 }), false);
  assert.is(routes.learnHint(route, { leaderId: 2, leaderAddress: "n2:1", term: 6 }), true);
  assert.is(routes.learnHint(route, { leaderId: 2, leaderAddress: "n2:1", term: 6 }), false);
  assert.is(routes.learnHint(route, { leaderId: 0, leaderAddress: "", term: 7 }), false);
  assert.is(route.leaderAddress, undefined);
});

test("a suspect leader is avoided for a second, then tried again", () => {
  const { routes, route, clock } = routesWith({ leaderId: 1, term: 5 });
  routes.suspect("http://n1:1");
  for (let round = 0; round < 4; round++) {
    const { address, direct } = routes.leaderOf(route);
    assert.is(direct, false);
    assert.is.not(address, "http://n1:1");
  }
  clock.timeMs = 1_001;
  assert.is(routes.leaderOf(route).direct, true);
});

test("a node that fails again and again is avoided for longer, up to half a minute, and forgiven when it answers", () => {
  const { routes, clock } = routesWith({ leaderId: 1, term: 5 });
  const spans: number[] = [];
  for (let round = 0; round < 7; round++) {
    routes.suspect("http://n1:1");
    routes.suspect("http://n1:1");
    const started = clock.timeMs;
    while (routes.isSuspect("http://n1:1")) clock.timeMs += 500;
    spans.push(clock.timeMs - started);
  }
  assert.equal(spans, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  routes.trust("http://n1:1");
  routes.suspect("http://n1:1");
  clock.timeMs += 1_001;
  assert.is(routes.isSuspect("http://n1:1"), false);
});

test("when no replica answers, a seed is asked to forward", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 }, ["http://entrance:9"]);
  for (const address of ["http://n1:1", "http://n2:1", "http://n3:1"]) routes.suspect(address);
  assert.equal(routes.leaderOf(route), { address: "http://entrance:9", direct: false });
});

test("a suspect that is elected in a new term is trusted at once", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 });
  routes.suspect("http://n2:1");
  routes.learn(metadata([{ leaderId: 2, term: 6 }]));
  assert.equal(routes.leaderOf(route), { address: "http://n2:1", direct: true });
});

test("when everybody is suspect, somebody is asked all the same", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 5 });
  for (const address of routes.addresses) routes.suspect(address);
  assert.ok(routes.addresses.includes(routes.leaderOf(route).address));
});

test("nodes that are found inherit the scheme; seeds stay known", () => {
  const { routes } = routesWith({ leaderId: 3, term: 1 }, ["https://entrance:9"]);
  assert.equal([...routes.addresses], ["https://n1:1", "https://n2:1", "https://n3:1", "https://entrance:9"]);
});

test("an older epoch changes leaders but not the list of nodes", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 1 });
  const old = metadata([{ leaderId: 2, term: 2 }], { epoch: 0n });
  old.nodes = old.nodes.slice(0, 2);
  routes.learn(old);
  assert.is(routes.addresses.length, 3);
  assert.is(route.leaderAddress, "http://n2:1");
});

test("in the same term an older epoch does not bring back the address that a leader has left", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 1 });
  const moved = metadata([{ leaderId: 1, term: 1 }], { epoch: 2n });
  moved.nodes[0]!.address = "n1:2";
  routes.learn(moved);
  assert.is(route.leaderAddress, "http://n1:2");
  routes.learn(metadata([{ leaderId: 1, term: 1 }]));
  assert.is(route.leaderAddress, "http://n1:2");
});

/** Metadata of a later epoch in which `nodeIds` are all the nodes. */
function metadataOf(nodeIds: readonly number[], epoch: bigint): GetMetadataResponse {
  const later = metadata([{ leaderId: 0, term: 1 }], { epoch });
  later.nodes = create(GetMetadataResponseSchema, {
    nodes: nodeIds.map((nodeId) => ({ nodeId, address: `n${nodeId}:1` })),
  }).nodes;
  later.partitions[0]!.replicas = [...nodeIds];
  return later;
}

test("nodes that were members once stay known, last, and not without end", () => {
  const { routes } = routesWith({ leaderId: 1, term: 1 }, ["http://n2:1"]);
  routes.learn(metadataOf([3, 4], 2n));
  assert.equal(routes.addresses, ["http://n3:1", "http://n4:1", "http://n2:1", "http://n1:1"]);
  assert.ok(routes.isMember("http://n4:1"));
  assert.not(routes.isMember("http://n2:1"));
  for (let nodeId = 5; nodeId < 300; nodeId++) routes.learn(metadataOf([nodeId], BigInt(nodeId)));
  assert.is(routes.addresses.length, 1 + 1 + 64);
  assert.equal(routes.addresses.slice(0, 2), ["http://n299:1", "http://n2:1"]);
  assert.is(routes.addresses.at(-1), "http://n298:1");
});

test("a seed that is no member forwards only when no member answers", () => {
  const { routes, route } = routesWith({ leaderId: 1, term: 1 }, ["http://n1:1"]);
  routes.learn(metadataOf([2, 3], 2n));
  for (const address of ["http://n2:1", "http://n3:1"]) {
    for (let round = 0; round < 4; round++) {
      assert.is.not(routes.anyNode(), "http://n1:1");
      assert.is.not(routes.replicaOf(route, { withoutLeader: false }).address, "http://n1:1");
    }
    routes.suspect(address);
  }
  assert.is(routes.anyNode(), "http://n1:1");
  assert.is(routes.replicaOf(route, { withoutLeader: false }).address, "http://n1:1");
});

test("another cluster, another number of partitions and unequal cuts are refused", () => {
  const { routes } = routesWith({ leaderId: 1, term: 1 });
  const leader = { leaderId: 1, term: 1 };
  assert.throws(() => routes.learn(metadata([leader], { clusterId: "d" })), /cluster is "d"/);
  assert.throws(() => routes.learn(metadata([leader, leader])), /2 partitions instead of 1/);
  assert.throws(() => routes.learn(metadata([])), /no partitions/);
  const unequal = metadata([leader, leader]);
  unequal.partitions[1]!.hashStart++;
  const clock = { now: () => 0, after: () => () => {} };
  assert.throws(() => new Routes(["http://n1:1"], clock).learn(unequal), /partition 1 owns/);
});

test.run();
