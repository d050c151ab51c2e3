/**
 * What a partition holds, read by the client from nodes that are none: from the leader, from the next one
 * when that is another, and not a part more when a stream breaks off.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  fetchCaller,
  type PartitionPart,
  PrkDbClient,
  type PrkDbError,
  type StreamCall,
} from "../../client/mod.ts";
import { NotLeaderSchema, ReadPartitionRequestSchema, ReadPartitionResponseSchema } from "../../proto/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { SteadyClock } from "../support/clock/steady_clock.ts";
import { FakeCluster } from "./fake_cluster.ts";

const test = suite("backup read");
const IDENTITY = new Uint8Array(16).fill(7);

type Message = MessageInitShape<typeof ReadPartitionResponseSchema>;

const STATE: Message = {
  part: {
    case: "state",
    value: {
      clusterId: "c",
      partitionId: 1,
      partitionCount: 4,
      index: 9n,
      term: 2n,
      descriptionBytes: 3,
      files: [{ identity: IDENTITY, bytes: 2n }],
    },
  },
};
const REST: readonly Message[] = [
  { part: { case: "description", value: Uint8Array.of(1, 2, 3) } },
  { part: { case: "filePart", value: { file: 0, offset: 0n, data: Uint8Array.of(4, 5), crc: 6 } } },
  { part: { case: "end", value: { files: 1, bytes: 2n } } },
];

/** Runs `body` with a client whose streams are what `stream` makes of calls. */
async function withStreams(
  stream: (call: StreamCall, cluster: FakeCluster) => AsyncGenerator<Message>,
  body: (client: PrkDbClient, cluster: FakeCluster) => Promise<void>,
): Promise<void> {
  const cluster = new FakeCluster();
  using clock = new SteadyClock();
  const { call } = fetchCaller();
  const caller = {
    call,
    stream: async function* (asked: StreamCall) {
      for await (const message of stream(asked, cluster)) {
        yield toBinary(ReadPartitionResponseSchema, create(ReadPartitionResponseSchema, message));
      }
    },
  };
  try {
    await using client = await PrkDbClient.connect(cluster.addresses, { timeoutMs: 10_000, clock, caller });
    await body(client, cluster);
  } finally {
    await cluster.close();
  }
}

async function read(client: PrkDbClient, held?: readonly Uint8Array[]): Promise<PartitionPart[]> {
  return await Array.fromAsync(client.cluster.readPartition(1, { held }));
}

function notLeader(leader: number): ConnectError {
  const value = { leaderId: leader + 1, leaderAddress: "", term: 50n, epoch: 1n };
  const detail = { desc: NotLeaderSchema, value };
  return new ConnectError("another node leads", Code.FailedPrecondition, undefined, [detail]);
}

test("all parts come as the leader sends them", async () => {
  const asked: StreamCall[] = [];
  const stream = async function* (call: StreamCall) {
    asked.push(call);
    yield STATE;
    yield* REST;
  };
  await withStreams(stream, async (client) => {
    const parts = await read(client, [IDENTITY]);
    assert.equal(parts.map(({ kind }) => kind), ["state", "description", "filePart", "end"]);
    const [state, description, filePart] = parts;
    assert.equal(state, {
      kind: "state",
      clusterId: "c",
      partitionId: 1,
      partitionCount: 4,
      descriptionBytes: 3,
      files: [{ identity: IDENTITY, bytes: 2 }],
      index: 9,
      term: 2,
    });
    assert.equal(description, { kind: "description", bytes: Uint8Array.of(1, 2, 3) });
    assert.equal(filePart, { kind: "filePart", file: 0, offset: 0, data: Uint8Array.of(4, 5), crc: 6 });
    const request = fromBinary(ReadPartitionRequestSchema, asked[0]!.body);
    assert.equal([request.partitionId, request.held], [1, [IDENTITY]]);
    assert.is(asked.length, 1);
  });
});

test("a node that does not lead names the one that does, which is asked then", async () => {
  const asked: string[] = [];
  const stream = async function* ({ address }: StreamCall, { addresses }: FakeCluster) {
    asked.push(address);
    if (address !== addresses[2]) throw notLeader(2);
    yield STATE;
    yield* REST;
  };
  await withStreams(stream, async (client, cluster) => {
    assert.is((await read(client)).length, 4);
    assert.is(asked.at(-1), cluster.addresses[2]);
  });
});

test("a partition without a leader is waited for", async () => {
  let left = 4;
  const stream = async function* () {
    if (left-- > 0) throw new ConnectError("no leader", Code.Unavailable);
    yield STATE;
    yield* REST;
  };
  await withStreams(stream, async (client) => assert.is((await read(client)).length, 4));
});

test("a stream that breaks off, or ends without its end, fails and is not begun anew", async () => {
  for (const isBroken of [true, false]) {
    let streams = 0;
    const stream = async function* () {
      streams++;
      yield STATE;
      if (isBroken) throw new Error("the connection breaks");
    };
    await withStreams(stream, async (client) => {
      const error = await assertRejects(() => read(client)) as PrkDbError;
      assert.is(error.code, "unavailable");
      assert.is(streams, 1);
    });
  }
});

test("what nodes refuse is said, and what makes no sense is not sent", async () => {
  let streams = 0;
  // deno-lint-ignore require-yield -- A stream that fails before its first message.
  const stream = async function* () {
    streams++;
    throw new ConnectError("not like this", Code.InvalidArgument);
  };
  await withStreams(stream, async (client) => {
    const error = await assertRejects(() => read(client)) as PrkDbError;
    assert.is(error.code, "invalid_argument");
    assert.is(streams, 1);
    const wrong = [
      () => Array.fromAsync(client.cluster.readPartition(-1)),
      () => Array.fromAsync(client.cluster.readPartition(1_000)),
      () => Array.fromAsync(client.cluster.readPartition(0, { keep: [] } as never)),
    ];
    for (const call of wrong) {
      await assertRejects(call, (error) => error instanceof TypeError || error instanceof RangeError);
    }
    assert.is(streams, 1);
  });
});

test("a reader that stops, and one whose signal fires, end the stream", async () => {
  let open = 0;
  const stream = async function* ({ signal }: StreamCall) {
    open++;
    signal.addEventListener("abort", () => open--);
    yield STATE;
    yield* REST;
  };
  await withStreams(stream, async (client) => {
    for await (const part of client.cluster.readPartition(1)) if (part.kind === "state") break;
    assert.is(open, 0);
    const stopping = new AbortController();
    const parts = client.cluster.readPartition(1, { signal: stopping.signal });
    await parts.next();
    stopping.abort(new Error("enough"));
    assert.is(open, 0);
    await parts.return();
  });
});

test.run();
