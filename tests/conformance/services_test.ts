/**
 * Every case over every way in, against the same answers; then some of them over real sockets, HTTP/1.1 and
 * HTTP/2.
 *
 * @module
 */

import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { ClusterService, KvService } from "../../proto/mod.ts";
import type { HttpRouter } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { OwnPort } from "../support/own_port.ts";
import { handler, router } from "./asking.ts";
import { ANSWERED_CASES } from "./answered_cases.ts";
import { type Answer, type Ask, CALLERS, type ConformanceCall, type ConformanceCaller } from "./callers.ts";
import { bytes, call, type Case } from "./case.ts";
import { EXPIRING_WRITES, EXPIRY_CASES, withSpans } from "./expiry_cases.ts";
import { FakeNode } from "./fake_node.ts";
import { grpcRequest, Http2Client, readGrpcAnswer } from "./grpc_caller.ts";
import { REFUSED_CASES } from "./refused_cases.ts";

const test = suite("services");
const CASES: readonly Case[] = [...ANSWERED_CASES, ...REFUSED_CASES, ...EXPIRY_CASES];
const BASE = "http://node.test:50051";

/** The general path counts a deadline down from the moment the headers came. */
const ELAPSED_MS_MAX = 9_000;

/** A GET has to fit into a URL, as the cases with large input do not. */
const GET_BYTES_MAX = 6_000;

for (const caller of CALLERS) {
  test(`every case by ${caller.name}`, async () => {
    let count = 0;
    for (const each of CASES) {
      const request = await caller.request(each.call, BASE);
      if (!isPossible(caller, each, request)) continue;
      assert.equal(await play(each, caller, askOf(new FakeNode())), each.answer, each.name);
      count++;
    }
    assert.ok(count >= (caller.isSafeOnly ? 20 : CASES.length), `${count} cases`);
  });
}

test("what passes the border is what was sent", async () => {
  const requestId = { clientId: 0xabcn, sequence: 9n, acknowledgedBelow: 4n };
  const put = call(KvService.method.put, { key: bytes("a"), value: bytes("1"), requestId }, {
    "connect-timeout-ms": "12345",
    "prkdb-route": "direct",
  });
  for (const caller of CALLERS.filter((each) => !each.isSafeOnly)) {
    const node = new FakeNode();
    await caller.answer(put, await askOf(node)(await caller.request(put, BASE)));
    const [seen] = node.seen;
    assert.ok(seen?.kind === "write", caller.name);
    assert.equal(seen.mutations.map((mutation) => ({ ...mutation, key: "", value: "" })), [
      { kind: "put", key: "", value: "", ttlMs: 0, precondition: undefined },
    ]);
    assert.equal(seen.options.requestId, { clientId: "0000000000000abc", sequence: 9, acknowledgedBelow: 4 });
    assert.ok(seen.options.direct, caller.name);
    assert.ok(
      seen.options.timeoutMs <= 12_345 && seen.options.timeoutMs > 12_345 - ELAPSED_MS_MAX,
      caller.name,
    );
  }
});

test("times to live pass the border as they were sent", async () => {
  for (const caller of CALLERS.filter((each) => !each.isSafeOnly)) {
    for (const [write, ttlMs] of EXPIRING_WRITES) {
      const node = new FakeNode();
      await caller.answer(write, await askOf(node)(await caller.request(write, BASE)));
      const [seen] = node.seen;
      assert.ok(seen?.kind === "write", caller.name);
      const times = seen.mutations.map((each) =>
        each.kind === "put" || each.kind === "increment" ? each.ttlMs : -1
      );
      assert.equal(times, ttlMs, caller.name);
    }
  }
});

test("changes pass the border as they were asked for", async () => {
  const { addNode, removeNode, moveReplica, transferLeadership, rebalance, setReplicationFactor } =
    ClusterService.method;
  const asked = [
    call(addNode, { nodeId: 4, address: "a:1" }, { "connect-timeout-ms": "12345" }),
    call(removeNode, { nodeId: 3 }),
    call(moveReplica, { partitionId: 1, fromNode: 2, toNode: 4 }),
    call(transferLeadership, { partitionId: 1, toNode: 2 }),
    call(rebalance, {}),
    call(setReplicationFactor, { factor: 5 }),
  ];
  for (const caller of CALLERS.filter((each) => !each.isSafeOnly)) {
    const node = new FakeNode();
    for (const each of asked) {
      await caller.answer(each, await askOf(node)(await caller.request(each, BASE)));
    }
    const seen = node.seen.flatMap((each) => each.kind === "change" ? [each] : []);
    assert.equal(seen.map(({ request }) => request), [
      { kind: "addNode", nodeId: 4, address: "a:1" },
      { kind: "removeNode", nodeId: 3 },
      { kind: "moveReplica", partitionId: 1, from: 2, to: 4 },
      { kind: "transferLeadership", partitionId: 1, to: 2 },
      { kind: "rebalance" },
      { kind: "setReplicationFactor", factor: 5 },
    ]);
    const [first, second] = seen.map(({ options }) => options.timeoutMs);
    assert.ok(first! <= 12_345 && first! > 12_345 - ELAPSED_MS_MAX, `${caller.name}: ${first}`);
    assert.ok(second! <= 10_000 && second! > 10_000 - ELAPSED_MS_MAX, `${caller.name}: ${second}`);
  }
});

test("a call that names no deadline gets the default, a long one the longest", async () => {
  for (
    const [headers, timeoutMs] of [[{}, 10_000], [{ "connect-timeout-ms": "9999999" }, 300_000]] as const
  ) {
    for (const caller of CALLERS) {
      const node = new FakeNode();
      const get = call(KvService.method.get, { key: bytes("a") }, headers);
      await caller.answer(get, await askOf(node)(await caller.request(get, BASE)));
      const [seen] = node.seen;
      assert.ok(seen?.kind === "read", caller.name);
      const seenMs = seen.options.timeoutMs;
      assert.ok(seenMs <= timeoutMs && seenMs > timeoutMs - ELAPSED_MS_MAX, `${caller.name}: ${seenMs}`);
      assert.not(seen.options.direct, caller.name);
    }
  }
});

test("every case by every way in on one port: HTTP/1.1 and HTTP/2 sockets, gRPC with them", async () => {
  const served: { router: HttpRouter } = { router: router() };
  const listener = new OwnPort({ route: (head) => served.router.route(head) });
  const client = Deno.createHttpClient({ http1: false, http2: true });
  const ways: readonly Way[] = [
    { base: `http://${listener.address}`, ask: fetch, callers: CALLERS },
    { base: `http://${listener.address}`, ask: (request) => fetch(request, { client }), callers: CALLERS },
  ];
  try {
    for (const { base, ask, callers } of ways) {
      for (const caller of callers) {
        for (const each of CASES) {
          if (!isPossible(caller, each, await caller.request(each.call, base))) continue;
          served.router = router();
          assert.equal(await play(each, caller, ask, base), each.answer, `${caller.name}: ${each.name}`);
        }
      }
    }
    await playGrpc(`http://${listener.address}`, () => served.router = router());
  } finally {
    client.close();
    await listener.close();
  }
});

test.run();

/** Plays every case by gRPC. */
async function playGrpc(base: string, startAnew: () => void): Promise<void> {
  const client = new Http2Client(base);
  for (const sending of ["plain", "gzip"] as const) {
    for (const each of CASES) {
      startAnew();
      for (const earlier of each.before ?? []) await client.ask(await grpcRequest(earlier));
      const answer = await client.ask(await grpcRequest(each.call, sending));
      const read = withSpans(await readGrpcAnswer(each.call, answer));
      assert.equal(read, each.answer, `gRPC, ${sending}: ${each.name}`);
    }
  }
  client.close();
}

/** A server, a version of HTTP, and who calls by it. */
interface Way {
  readonly base: string;
  readonly ask: Ask;
  readonly callers: readonly ConformanceCaller[];
}

function askOf(node: FakeNode): Ask {
  return handler({ node });
}

function isPossible(caller: ConformanceCaller, { call }: Case, request: Request): boolean {
  if (request.url.length > GET_BYTES_MAX && request.method === "GET") return false;
  return !caller.isSafeOnly || isSafe(call);
}

function isSafe({ desc }: ConformanceCall): boolean {
  return desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

async function play(each: Case, caller: ConformanceCaller, ask: Ask, base = BASE): Promise<Answer> {
  // What comes before is not what is tried here: it goes in the plainest way.
  for (const earlier of each.before ?? []) {
    await (await ask(await CALLERS[0]!.request(earlier, base))).bytes();
  }
  return withSpans(await caller.answer(each.call, await ask(await caller.request(each.call, base))));
}
