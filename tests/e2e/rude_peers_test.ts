/**
 * Everything but peers on the peers' stream: garbage, other clusters, other nodes, endless envelopes, and
 * messages that no sound peer sends though they are well-formed. The node refuses or ignores them, lives, and
 * serves.
 *
 * One who knows the cluster's id and speaks in a peer's name is believed as long as there is no cluster
 * secret; what such a one says here is nonsense, which must not end a node either.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { KvService, type PeerBatchSchema, RaftMessageKind } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { FakePeer, type Hello } from "../support/cluster/fake_peer.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { WellBehaved } from "../support/load/well_behaved.ts";
import { eventually, pause } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";

const PARTITIONS = 3;
/** A node that has taken nothing for so long takes no more. */
const TAKEN_LIMIT_MS = 5_000;
/** Calls that must be answered while peers are rude. */
const CALLS_MIN = 20;
/** So long that no leader is deposed because the machine is busy. */
const FLAGS = ["--election-timeout-ms=5000"];
const MEBIBYTE = 1024 * 1024;
/** What unknown peers may make a node hold, above its usual ups and downs. */
const GROWTH_MAX_BYTES = 200 * MEBIBYTE;
const UNKNOWNS = 6;
const UNKNOWN_BYTES = 96 * MEBIBYTE;
const HUGE = 2n ** 53n - 1n;
const SLOW_ELECTION_TIMEOUT_MS = 20_000;
/** Half of what passes until the silence of a paused peer is noticed with that election timeout. */
const REPLACED_MAX_MS = SLOW_ELECTION_TIMEOUT_MS;
const NONSENSE_ROUNDS = 400;

const test = suite("rude peers");
const random = drawnRandom("rude peers");
let cluster: ProcessCluster;
let clusterId: string;
test.after(() => cluster.close());

test("the cluster starts", async () => {
  cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  clusterId = (await cluster.metadata()).clusterId;
});

test("a peer that does not introduce itself properly is refused", async () => {
  const sound: Hello = { clusterId, fromNode: 2, toNode: 1, protocolVersion: 1 };
  const wrong: readonly (readonly [Hello, RegExp])[] = [
    [{ ...sound, clusterId: "f".repeat(32) }, /this is cluster/],
    [{ ...sound, clusterId: "" }, /this is cluster/],
    [{ ...sound, toNode: 3 }, /this is node 1, not 3/],
    [{ ...sound, fromNode: 9 }, /node 9 is not in this cluster/],
    [{ ...sound, fromNode: 1 }, /node 1 is not in this cluster/],
    [{ ...sound, protocolVersion: 0 }, /protocol version 0/],
  ];
  await nodesServeWhile(async () => {
    for (const [hello, refusal] of wrong) {
      const peer = await FakePeer.open(port());
      await peer.greet(hello);
      await peer.untilEnded();
      assert.match(peer.answer, refusal);
      peer.close();
    }
    const mute = await FakePeer.open(port());
    await mute.say({ leaderships: [{ group: 1, term: 99n }] });
    await mute.untilEnded();
    assert.match(mute.answer, /no hello/);
    mute.close();
  });
});

test("garbage and impossible envelopes are refused", async () => {
  await nodesServeWhile(async () => {
    for (let round = 0; round < 60; round++) {
      const peer = await FakePeer.open(port());
      await peer.sayBytes(random.bytes(5 + random.below(5_000)));
      peer.close();
    }
    const huge = await FakePeer.open(port());
    await huge.sayEnvelope(new Uint8Array(10), { announcedBytes: 0xffffffff });
    await huge.untilEnded();
    assert.match(huge.answer, /4294967295 bytes/);
    huge.close();
    const packed = await FakePeer.open(port());
    await packed.sayEnvelope(new Uint8Array(10), { announcedBytes: 10, flags: 1 });
    await packed.untilEnded();
    assert.match(packed.answer, /compressed/);
    packed.close();
  });
});

test("unknown peers cannot fill the memory with a first message that never ends", async () => {
  const before = cluster.process(1).residentBytes;
  let peak = before;
  await nodesServeWhile(async () => {
    const unknownPeers = await Promise.all(Array.from({ length: UNKNOWNS }, () => FakePeer.open(port())));
    const chunk = new Uint8Array(MEBIBYTE);
    await Promise.all(unknownPeers.map(async (unknownPeer) => {
      await unknownPeer.sayEnvelope(chunk, { announcedBytes: 2 * UNKNOWN_BYTES });
      for (let sent = 0; sent < UNKNOWN_BYTES && !unknownPeer.hasEnded; sent += MEBIBYTE) {
        const untaken = pause(TAKEN_LIMIT_MS).then(() => false);
        if (!(await Promise.race([unknownPeer.sayBytes(chunk), untaken]))) break;
        peak = Math.max(peak, cluster.process(1).residentBytes);
      }
    }));
    for (const unknownPeer of unknownPeers) unknownPeer.close();
  });
  const told = `from ${Math.round(before / MEBIBYTE)} to ${Math.round(peak / MEBIBYTE)} MiB`;
  console.log(`rude peers: ${UNKNOWNS} endless first messages, memory ${told}`);
  assert.ok(peak - before < GROWTH_MAX_BYTES, told);
});

test("streams in a peer's name that are cut anywhere end no node", async () => {
  await nodesSurvive(async () => {
    for (let round = 0; round < 30; round++) {
      const peer = await impostor({ fromNode: 2 + (round % 2), toNode: 1 });
      await peer.sayEnvelope(random.bytes(round * 7), { announcedBytes: 1_000 });
      peer.close();
    }
  });
});

test("unreadable nonsense in a peer's name ends the stream and no node", async () => {
  await nodesSurvive(async () => {
    for (let round = 0; round < 100; round++) {
      const peer = await impostor({ fromNode: 2, toNode: 1 });
      const bytes = random.bytes(1 + random.below(200));
      await peer.sayEnvelope(bytes, { announcedBytes: bytes.length });
      peer.close();
    }
  });
});

test("readable nonsense in a peer's name ends no node", async () => {
  await nodesSurvive(async () => {
    for (const toNode of cluster.ids) {
      const peer = await impostor({ fromNode: (toNode % 3) + 1, toNode });
      for (let round = 0; round < NONSENSE_ROUNDS && !peer.hasEnded; round++) await peer.say(nonsense());
      await pause(200);
      peer.close();
    }
  });
});

test(
  "a call that waits for a peer ends when the peer's stream is replaced, not at its deadline",
  async () => {
    const flags = [`--election-timeout-ms=${SLOW_ELECTION_TIMEOUT_MS}`];
    await using slow = await ProcessCluster.start({ nodes: 3, partitions: 1, flags });
    const leader = await slow.leaderOf(0);
    const asked = slow.ids.find((id) => id !== leader)!;
    await slow.kill(leader, "SIGSTOP");
    const call = callNode(slow.address(asked), KvService.method.put, { input: { key: Uint8Array.of(1) } })
      .then(() => "done", (error) => String(error));
    // By now the call waits for the paused leader.
    await pause(3_000);
    const startedMs = performance.now();
    const peer = await FakePeer.open(Number(new URL(slow.address(asked)).port));
    const { clusterId } = await slow.metadata(asked);
    const incarnation = incarnationOf(slow, leader);
    await peer.greet({ clusterId, fromNode: leader, toNode: asked, protocolVersion: 1, incarnation });
    const outcome = await call;
    const waitedMs = performance.now() - startedMs;
    peer.close();
    assert.match(outcome, /aborted/, `after ${waitedMs} ms: ${outcome}`);
    assert.ok(waitedMs < REPLACED_MAX_MS, `waited ${waitedMs} ms: ${outcome}`);
  },
);

/** What only the node itself and its peers know. */
function incarnationOf(of: ProcessCluster, id: number): string {
  return JSON.parse(Deno.readTextFileSync(`${of.dataDirectory(id)}/identity.json`)).incarnation;
}

async function impostor({ fromNode, toNode }: Pick<Hello, "fromNode" | "toNode">): Promise<FakePeer> {
  const peer = await FakePeer.open(Number(new URL(cluster.address(toNode)).port));
  const incarnation = incarnationOf(cluster, fromNode);
  await peer.greet({ clusterId, fromNode, toNode, protocolVersion: 1, incarnation });
  return peer;
}

/**
 * Asserts that all nodes live through `rudeness` and serve as ever afterwards. Meanwhile calls may fail: the
 * impostor has taken the place of the stream on which their answers would have come.
 */
async function nodesSurvive(rudeness: () => Promise<unknown>): Promise<void> {
  const pids = cluster.ids.map((id) => cluster.process(id).pid);
  await rudeness();
  assertAllRun();
  assert.equal(cluster.ids.map((id) => cluster.process(id).pid), pids);
  // Streams between sound peers are opened anew after a second at most, and elections may follow.
  await eventually(async () => {
    await cluster.waitReady();
    await nodesServeWhile(() => pause(1_000));
  });
}

/**
 * A batch that is well-formed and makes no sense: unknown groups, numbers out of nowhere, answers nobody
 * asked for.
 */
function nonsense(): MessageInitShape<typeof PeerBatchSchema> {
  const group = pick([0, 1, 2, PARTITIONS, PARTITIONS + 1, 77, 0xffffffff]);
  switch (pick([0, 1, 2, 3] as const)) {
    case 0:
      return { messages: [nonsenseMessage(group)] };
    case 1:
      return {
        calls: [{ callId: number(), timeoutMs: pick([0, 1, 0xffffffff]), kind: nonsenseCall(group) }],
      };
    case 2:
      return { replies: [{ callId: number(), outcome: random.bytes(pick([0, 1, 9])), values: [] }] };
    case 3:
      // Terms stay low: a leader of a far future term would be believed, as it should be.
      return { leaderships: [{ group, term: pick([0n, 1n]) }] };
  }
}

function nonsenseMessage(group: number) {
  const index = pick([0n, 1n, 5n, 1_000_000n, HUGE]);
  // Low terms for the same reason; a term above the node's own only costs an election.
  return {
    kind: pick(KINDS),
    group,
    term: pick([0n, 1n, 2n, 3n]),
    logIndex: number(),
    logTerm: pick([0n, 1n, 2n, HUGE]),
    commit: number(),
    entries: pick([
      [],
      [{ index, term: 1n, kind: pick([0, 1, 2]), data: random.bytes(pick([0, 1, 30])) }],
      [{ index, term: 2n, kind: 1 }, { index, term: 1n, kind: 1 }],
    ]),
    granted: pick([true, false]),
    // Beyond every log. A success within it would be no nonsense but a lie, and lies of peers are believed.
    matchIndex: pick([1_000_000n, 2n ** 32n, HUGE]),
    conflictTerm: number(),
    conflictIndex: number(),
    readId: number(),
    readIndex: number(),
    transfer: pick([true, false]),
  };
}

function nonsenseCall(group: number) {
  return pick([
    { case: "write" as const, value: { group, command: random.bytes(pick([0, 1, 40])) } },
    { case: "read" as const, value: { group, keys: [random.bytes(pick([1, 40])), new Uint8Array(0)] } },
  ]);
}

/** Without votes granted and entries sent in another's name, which are lies and not nonsense. */
const KINDS: readonly RaftMessageKind[] = [
  RaftMessageKind.PRE_VOTE_REQUEST,
  RaftMessageKind.PRE_VOTE_RESPONSE,
  RaftMessageKind.VOTE_REQUEST,
  RaftMessageKind.APPEND_RESPONSE,
  RaftMessageKind.QUIET_REQUEST,
  RaftMessageKind.NODE_HEARTBEAT,
  RaftMessageKind.READ_INDEX_REQUEST,
  RaftMessageKind.READ_INDEX_RESPONSE,
  RaftMessageKind.TIMEOUT_NOW_REQUEST,
];

function number(): bigint {
  return pick([0n, 1n, 2n, 17n, 1_000_000n, 2n ** 32n, HUGE]);
}

function pick<T>(from: readonly T[]): T {
  return random.pick(from);
}

/** Asserts that all nodes live and that node 1 serves a client without a failure while `rudeness` happens. */
async function nodesServeWhile(rudeness: () => Promise<unknown>): Promise<void> {
  const client = WellBehaved.start(cluster.address(1));
  let service;
  try {
    await rudeness();
    await client.makesFurther(CALLS_MIN);
  } finally {
    service = await client.stop();
  }
  assertAllRun();
  assert.equal(service.failures.slice(0, 3), []);
}

function assertAllRun(): void {
  for (const id of cluster.ids) {
    assert.ok(cluster.process(id).isRunning, `node ${id} ended: ${cluster.output(id).slice(-2_000)}`);
  }
}

function port(): number {
  return Number(new URL(cluster.address(1)).port);
}

test.run();
