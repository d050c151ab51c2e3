/**
 * What a peer's stream is told when the peer is one no more.
 *
 * @module
 */

import { WireWriter } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { until } from "../../tests/support/patience.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { ClusterId } from "../data/cluster_id.ts";
import { PeerIdentities, Troubles } from "../data/mod.ts";
import type { AnswerStream, BodySink, RequestHead } from "../http/mod.ts";
import type { PeerInput } from "../ports/mod.ts";
import { decodeAnswer, type StreamRefusal } from "./answer_codec.ts";
import { encodeHello } from "./codec.ts";
import { ENVELOPE_HEADER_BYTES, EnvelopeReader, putEnvelopeHeader } from "./envelope.ts";
import { PeerService } from "./service.ts";

const test = suite("peer service");
const CLUSTER = "0123456789abcdef0123456789abcdef";
const HEAD: RequestHead = {
  version: "1.1",
  method: "POST",
  target: "/prkdb.v1.RaftService/Deliver",
  authority: "a:1",
  scheme: "http",
  headers: { get: () => null, [Symbol.iterator]: () => [][Symbol.iterator]() },
};

test("a node that is removed while its stream is open is told so, and what it says is not taken", async () => {
  const removed = new Set<number>();
  const inputs: PeerInput[] = [];
  const service = await serviceOf(removed, inputs);
  const [two, three] = [openStream(service, 2), openStream(service, 3)];
  await until(() => two.taken === 1 && three.taken === 1, "both were greeted");
  removed.add(2);
  service.endRemoved();
  assert.equal(two.end, {
    code: "permission_denied",
    message: "Cannot deliver: node 2 was removed from this cluster",
  });
  assert.is(three.end, undefined);
  inputs.length = 0;
  two.sink.chunk(envelopeOf(new WireWriter().finish()));
  three.sink.chunk(envelopeOf(new WireWriter().finish()));
  assert.equal(inputs.map(({ kind }) => kind), ["peerBatch"]);
  const again = openStream(service, 2);
  await until(() => again.end !== undefined, "it is told again");
  assert.is(again.end?.code, "permission_denied");
  service.close();
});

test("a node that is removed while its hello is judged is told so", async () => {
  const removed = new Set<number>();
  const service = await serviceOf(removed, []);
  const two = openStream(service, 2);
  removed.add(2);
  service.endRemoved();
  await until(() => two.taken === 1 || two.end !== undefined, "it is let in or refused");
  assert.is(two.end?.code, "permission_denied");
  service.close();
});

test.run();

async function serviceOf(removed: ReadonlySet<number>, inputs: PeerInput[]): Promise<PeerService> {
  const fileSystem = new MemoryDisk({ random: new SeededRandom(1) }).mount();
  await fileSystem.createDirectory("/data");
  const place = { fileSystem, directory: "/data" };
  return new PeerService({
    host: {
      admits: () => true,
      hasRemoved: (id) => removed.has(id),
      distrustOf: () => undefined,
      takeIdentityMismatch: () => {},
    },
    identity: {
      clusterId: CLUSTER,
      nodeId: 1,
      incarnation: "one",
      partitionCount: 1,
      replicationFactor: 1,
      nodeIds: [],
    },
    clusterId: await ClusterId.open({ ...place, first: CLUSTER }),
    identities: await PeerIdentities.open({ ...place, troubles: new Troubles() }),
    inbox: { size: 0, push: (input) => void inputs.push(input) },
    answerIntervalMs: 0,
  });
}

interface OpenStream {
  readonly sink: BodySink;
  /** Batches that were said to be taken. */
  taken: number;
  end: StreamRefusal | undefined;
}

/** A stream of `peer`, with its hello. */
function openStream(service: PeerService, peer: number): OpenStream {
  const reader = new EnvelopeReader(1_024);
  const answer: AnswerStream = {
    start: () => {},
    write: (bytes) => {
      for (const { isEnd, message } of reader.read(bytes)) {
        const said = decodeAnswer(message, isEnd);
        if (said.kind === "end") stream.end = said.refusal;
        else stream.taken = said.taken;
      }
    },
    end: () => {},
    abort: () => {},
    trust: () => {},
  };
  const stream: OpenStream = { sink: service.open(HEAD, answer), taken: 0, end: undefined };
  const writer = new WireWriter();
  encodeHello(writer, {
    clusterId: CLUSTER,
    fromNode: peer,
    toNode: 1,
    protocolVersion: 1,
    address: `node-${peer}.test:1`,
    incarnation: `node ${peer}`,
    expectedIncarnation: "",
  });
  stream.sink.chunk(envelopeOf(writer.finish()));
  return stream;
}

function envelopeOf(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_HEADER_BYTES + message.length);
  putEnvelopeHeader(bytes, 0, { length: message.length });
  bytes.set(message, ENVELOPE_HEADER_BYTES);
  return bytes;
}
