/**
 * Clients that send garbage, too much, too slowly or nothing at all, by the thousand, and leave without a
 * word: a well-behaved client is served all the while, without a failure, and no node ends.
 *
 * @module
 */

import { connect as connectHttp2 } from "node:http2";
import { REQUEST_BYTES_MAX, VALUE_BYTES_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ascii, closeAll, exchange, openMany, tryWrite } from "../support/cluster/raw_socket.ts";
import { WellBehaved } from "../support/load/well_behaved.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";
import { drawnRandom } from "../support/seeded_random.ts";

/** Calls that must be answered while clients are rude, and once they have been. */
const CALLS_MIN = 20;
/** So long that no leader is deposed because the machine is busy. */
const FLAGS = ["--election-timeout-ms=5000"];

const IDLE_CONNECTIONS = 3_000;
const SLOW_CONNECTIONS = 500;
const GARBAGE_CONNECTIONS = 300;
/** gRPC-Web says so in its trailers, under the status 200. A wrong host (421) is not what is tried here. */
const REFUSAL = /^HTTP\/1\.[01] (?!421)[45]\d\d|grpc-status: [1-9]/;
const HTTP2_PREFACE = ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const test = suite("rude clients");
const random = drawnRandom("rude clients");
let cluster: ProcessCluster;
test.after(() => cluster.close());

test("the cluster starts", async () => {
  cluster = await ProcessCluster.start({ nodes: 3, partitions: 3, flags: FLAGS });
});

test("random bytes, on both ports", async () => {
  await othersAreServed(async () => {
    for (let sent = 0; sent < GARBAGE_CONNECTIONS; sent += 30) {
      await Promise.all(Array.from({ length: 30 }, (_, at) => {
        const bytes = random.bytes(1 + random.below(20_000));
        return exchange(at % 3 === 0 ? metricsPort() : port(), { bytes, quietMs: 50 });
      }));
    }
  });
});

test("requests that are almost right", async () => {
  const head = "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  const requests = [
    "GET / HTTP/9.9\r\n\r\n",
    "GET\r\n\r\n",
    "\r\n\r\n\r\n",
    `GET /${"a".repeat(200_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"b".repeat(2_000_000)}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${"Y: z\r\n".repeat(5_000)}\r\n`,
    "GET //////..//..//%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET http://127.0.0.1:1/prkdb.v1.KvService/Get?connect=v1&encoding=proto&message=%%% HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    `${head}Content-Length: -5\r\n\r\n`,
    `${head}Content-Length: 99999999999999999999\r\n\r\n`,
    `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
    `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n`,
    `${head}Content-Type: application/proto\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope`,
    `${head}Content-Type: application/proto\r\nConnect-Timeout-Ms: 99999999999999\r\nContent-Length: 0\r\n\r\n`,
    `${head}Content-Type: application/grpc-web+proto\r\nContent-Length: 5\r\n\r\n\x7f\x7f\x7f\x7f\x7f`,
  ];
  await othersAreServed(async () => {
    for (const request of requests) {
      const answer = await exchange(port(), { bytes: ascii(request), quietMs: 200 });
      // An answer, if any, is a refusal; the parser may also just hang up.
      if (answer !== "") {
        assert.match(answer, REFUSAL, `${request.slice(0, 80)}: ${answer}`);
      }
    }
  });
});

test("bodies that are no messages", async () => {
  await othersAreServed(async () => {
    for (const method of ["Put", "Get", "WriteBatch", "GetMany", "Delete"]) {
      for (const type of ["application/proto", "application/json", "application/grpc-web+proto"]) {
        for (let round = 0; round < 15; round++) {
          const body = random.bytes(1 + random.below(300));
          const { status } = await post(method, { type, body });
          assert.ok(status === 200 || (status >= 400 && status < 500), `${method} ${type}: ${status}`);
        }
      }
    }
  });
});

test("too much: announced, counted, unfolded, and one byte above a value", async () => {
  await othersAreServed(async () => {
    const announced = ascii(
      "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n" +
        "Content-Length: 1073741824\r\n\r\n",
    );
    await eventually(async () =>
      assert.match(
        await exchange(port(), { bytes: announced, quietMs: 2_000 }),
        /^HTTP\/1\.1 400[^]*REQUEST_BYTES_MAX/,
      )
    );
    const type = "application/proto";
    const chunked = await post("Put", { type, body: endless(REQUEST_BYTES_MAX + 1_000_000) });
    assert.is(chunked.status, 400);
    const bomb = new Response(new Uint8Array(REQUEST_BYTES_MAX * 4)).body!.pipeThrough(
      new CompressionStream("gzip"),
    );
    const unfolded = await post("Put", { type, body: await new Response(bomb).bytes(), encoding: "gzip" });
    assert.is(unfolded.status, 400);
    const value = btoa("x".repeat(VALUE_BYTES_MAX + 1));
    const json = await post("Put", {
      type: "application/json",
      body: ascii(JSON.stringify({ key: "aw==", value })),
    });
    assert.is(json.status, 400);
    assert.match(json.text, /VALUE_BYTES_MAX/);
  });
});

test("hundreds that send a byte now and then", async () => {
  const head = ascii(
    "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n",
  );
  const body = ascii("Content-Length: 1000\r\n\r\n");
  await othersAreServed(async (client) => {
    const connections = await openMany(port(), SLOW_CONNECTIONS);
    // Half of them never get past their headers, half never to the end of a body.
    await Promise.all(
      connections.map((connection, at) =>
        tryWrite(connection, at % 2 === 0 ? head : Uint8Array.of(...head, ...body))
      ),
    );
    for (let round = 0; round < 8; round++) {
      await Promise.all(connections.map((connection) => tryWrite(connection, ascii("x"))));
      await pause(250);
    }
    await client.makesFurther(CALLS_MIN);
    closeAll(connections);
  });
});

test("thousands of connections that say nothing", async () => {
  await othersAreServed(async (client) => {
    const connections = await openMany(port(), IDLE_CONNECTIONS);
    await pause(2_000);
    await client.makesFurther(CALLS_MIN);
    closeAll(connections);
    await pause(500);
  });
});

test("connections that break in the middle of everything", async () => {
  const request = ascii(
    "POST /prkdb.v1.KvService/Put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\nContent-Length: 9\r\n\r\n" +
      "\x0a\x02kk\x12\x03vvv",
  );
  await othersAreServed(async () => {
    for (let cut = 1; cut <= request.length; cut++) {
      const connections = await openMany(port(), 3);
      await Promise.all(connections.map((connection) => tryWrite(connection, request.subarray(0, cut))));
      closeAll(connections);
    }
  });
});

test("HTTP/2 clients that hang up in the middle of their calls", async () => {
  await othersAreServed(async () => {
    for (let round = 0; round < 20; round++) {
      const session = connectHttp2(cluster.address(1));
      session.on("error", () => {});
      for (let call = 0; call < 50; call++) {
        const stream = session.request({
          ":method": "POST",
          ":path": "/prkdb.v1.KvService/Put",
          "content-type": "application/proto",
        });
        stream.on("error", () => {});
        if (call % 3 === 0) stream.end(ascii("\x0a\x02kk\x12\x03vvv"));
        else stream.write(ascii("\x0a\x02k"));
      }
      await pause(round);
      session.destroy();
    }
  });
});

test("HTTP/2 by hand: garbage frames, resets in a row, settings without end", async () => {
  const settings = frame({ type: 4, flags: 0, stream: 0, payload: new Uint8Array(0) });
  const resets: Uint8Array[] = [];
  for (let stream = 1; stream < 2_000; stream += 2) {
    // HPACK: ":method: POST", ":scheme: http", ":path: /" from the static table.
    resets.push(frame({ type: 1, flags: 4, stream, payload: Uint8Array.of(0x83, 0x86, 0x84) }));
    resets.push(frame({ type: 3, flags: 0, stream, payload: Uint8Array.of(0, 0, 0, 8) }));
  }
  const garbage = () => frame({ type: random.below(12), flags: 255, stream: 1, payload: random.bytes(64) });
  const floods: (readonly Uint8Array[])[] = [
    resets,
    Array.from({ length: 5_000 }, () => settings),
    Array.from({ length: 20 }, garbage),
    [Uint8Array.of(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1)],
    Array.from({ length: 200 }, () => frame({ type: 9, flags: 0, stream: 1, payload: random.bytes(8_000) })),
  ];
  await othersAreServed(async () => {
    for (const flood of floods) {
      for (let round = 0; round < 5; round++) {
        await exchange(port(), { bytes: join([HTTP2_PREFACE, settings, ...flood]), quietMs: 100 });
      }
    }
  });
});

/** Asserts what the module comment says while `rudeness` happens to node 1. */
async function othersAreServed(rudeness: (client: WellBehaved) => Promise<void>): Promise<void> {
  const pids = cluster.ids.map((id) => cluster.process(id).pid);
  const client = WellBehaved.start(cluster.address(1));
  await pause(300);
  let service;
  try {
    await rudeness(client);
    await client.makesFurther(CALLS_MIN);
    await pause(300);
  } finally {
    service = await client.stop();
  }
  for (const id of cluster.ids) {
    assert.ok(cluster.process(id).isRunning, `node ${id} ended: ${cluster.output(id)}`);
  }
  assert.equal(cluster.ids.map((id) => cluster.process(id).pid), pids);
  assert.equal(service.failures.slice(0, 3), []);
  console.log(`served meanwhile: ${JSON.stringify(service)}`);
}

function port(): number {
  return Number(new URL(cluster.address(1)).port);
}

function metricsPort(): number {
  return Number(new URL(cluster.metricsAddress(1)).port);
}

/** A body, and what it is said to be. */
interface Posted {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly encoding?: string;
}

/** What the node said to it. */
interface PostAnswer {
  readonly status: number;
  readonly text: string;
}

async function post(method: string, { type, body, encoding }: Posted): Promise<PostAnswer> {
  const response = await fetch(`${cluster.address(1)}/prkdb.v1.KvService/${method}`, {
    method: "POST",
    headers: { "content-type": type, ...(encoding === undefined ? {} : { "content-encoding": encoding }) },
    body,
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return { status: response.status, text: await response.text() };
}

/** A body of `length` bytes that does not say so beforehand. */
function endless(length: number): ReadableStream<Uint8Array> {
  let left = length;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      const size = Math.min(left, 65_536);
      left -= size;
      controller.enqueue(new Uint8Array(size));
    },
  });
}

/** A frame of HTTP/2 (RFC 9113, section 4.1). */
interface Http2Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

function frame({ type, flags, stream, payload }: Http2Frame): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, payload.length >>> 8);
  bytes[2] = payload.length & 0xff;
  bytes[3] = type;
  bytes[4] = flags;
  view.setUint32(5, stream);
  bytes.set(payload, 9);
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

test.run();
