/**
 * The `.proto` files are enough: whoever has them and an HTTP client can use every node, without any code of
 * this project. Connect with JSON as `curl` sends it, Connect GET, Connect with protobuf, and gRPC-Web,
 * written here by hand from the protocols' descriptions, on every node of a real cluster, for keys of every
 * partition.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ascii, exchange } from "../support/cluster/raw_socket.ts";
import { eventually, PATIENCE_MS } from "../support/patience.ts";

const PARTITIONS = 6;
const KEYS = 60;
const GRPC_WEB_TRAILER = 0x80;

const test = suite("plain HTTP");
let cluster: ProcessCluster;

test.after(() => cluster.close());

test("the cluster starts", async () => {
  cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS });
});

test("curl's JSON: put on one node, get and delete on each", async () => {
  const seen = new Set<number>();
  for (let number = 0; number < KEYS; number++) {
    const key = btoa(`json-${number}`);
    const value = btoa(`value ${number}`);
    const putAt = cluster.ids[number % 3]!;
    // A leader may change at any time, and whoever speaks by hand has to ask again.
    const { version, partitionId = 0 } = await eventually(() => json(putAt, "Put", { key, value })) as {
      version: string;
      partitionId?: number;
    };
    assert.match(version, /^[1-9]\d*$/);
    seen.add(partitionId);
    for (const id of cluster.ids) assert.equal(await json(id, "Get", { key }), { value, version });
  }
  assert.is(seen.size, PARTITIONS, "the keys must reach every partition");
  const key = btoa("json-0");
  assert.is((await json(3, "Delete", { key }) as { existed?: boolean }).existed, true);
  for (const id of cluster.ids) assert.equal(await json(id, "Get", { key }), {});
});

test("Connect GET, as a browser's address line would have it", async () => {
  await json(1, "Put", { key: btoa("page"), value: btoa("found") });
  for (const id of cluster.ids) {
    const message = encodeURIComponent(JSON.stringify({ key: btoa("page") }));
    const response = await fetch(
      `${cluster.address(id)}/prkdb.v1.KvService/Get?connect=v1&encoding=json&message=${message}`,
    );
    assert.is(response.status, 200);
    assert.is(atob((await response.json()).value), "found");
  }
});

test("Connect with protobuf, bytes by hand", async () => {
  for (const id of cluster.ids) {
    const put = await post(id, {
      method: "Put",
      type: "application/proto",
      body: concat(field(1, `raw-${id}`), field(2, "bytes")),
    });
    assert.is(put.status, 200);
    for (const reader of cluster.ids) {
      const get = await post(reader, {
        method: "Get",
        type: "application/proto",
        body: field(1, `raw-${id}`),
      });
      assert.is(get.headers.get("content-type"), "application/proto");
      // Field 1, length-delimited, five bytes.
      assert.equal((await get.bytes()).subarray(0, 7), concat(Uint8Array.of(0x0a, 5), text("bytes")));
    }
  }
});

test("gRPC-Web, frames by hand", async () => {
  for (const id of cluster.ids) {
    const put = await grpcWeb(id, {
      method: "Put",
      message: concat(field(1, "web"), field(2, `from ${id}`)),
    });
    assert.is(put.status, "0", put.trailers);
    for (const reader of cluster.ids) {
      const get = await grpcWeb(reader, { method: "Get", message: field(1, "web") });
      assert.is(get.status, "0", get.trailers);
      assert.equal(get.message.subarray(2, 8), text(`from ${id}`));
    }
  }
});

test("mistakes are explained in the protocol's words", async () => {
  for (const id of cluster.ids) {
    const empty = await post(id, { method: "Put", type: "application/json", body: text("{}") });
    assert.is(empty.status, 400);
    assert.is((await empty.json()).code, "invalid_argument");
    const failed = await grpcWeb(id, { method: "Get", message: new Uint8Array(0) });
    assert.is(failed.status, "3", failed.trailers);
    const unknown = await post(id, { method: "Explode", type: "application/json", body: text("{}") });
    assert.is(unknown.status, 404);
    await unknown.body?.cancel();
  }
});

interface Posted {
  readonly method: string;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

test("who calls a node by a name that is not its own is refused, on both ports", async () => {
  const ask = (address: string, path: string) =>
    exchange(Number(new URL(address).port), {
      bytes: ascii(`GET ${path} HTTP/1.1\r\nHost: rebound.example\r\n\r\n`),
      quietMs: 1_000,
    });
  const message = "?connect=v1&encoding=json&message=%7B%7D";
  const main = await ask(cluster.address(1), `/prkdb.v1.ClusterService/GetMetadata${message}`);
  assert.match(main, /^HTTP\/1\.1 421 [^]*--allowed-hosts rebound\.example/);
  assert.match(await ask(cluster.metricsAddress(1), "/metrics"), /^HTTP\/1\.1 421 /);
});

/** What a caller may well be told while leaders change: to ask again. */
const ASK_AGAIN: ReadonlySet<number> = new Set([503, 504]);

function post(id: number, { method, type, body }: Posted): Promise<Response> {
  return eventually(async () => {
    const response = await fetch(`${cluster.address(id)}/prkdb.v1.KvService/${method}`, {
      method: "POST",
      headers: { "content-type": type },
      body,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (ASK_AGAIN.has(response.status)) throw new Error(`${response.status} ${await response.text()}`);
    return response;
  });
}

async function json(id: number, method: string, message: unknown): Promise<unknown> {
  const response = await post(id, { method, type: "application/json", body: text(JSON.stringify(message)) });
  const answer = await response.json();
  assert.is(response.status, 200, JSON.stringify(answer));
  return answer;
}

/** A call of gRPC-Web. */
interface WebCall {
  readonly method: string;
  readonly message: Uint8Array<ArrayBuffer>;
}

/** What came of it. */
interface WebAnswer {
  readonly message: Uint8Array;
  readonly trailers: string;
  readonly status: string | undefined;
}

/** As `post`: deadline exceeded and unavailable mean to ask again. */
function grpcWeb(id: number, call: WebCall): Promise<WebAnswer> {
  return eventually(async () => {
    const answer = await grpcWebOnce(id, call);
    if (answer.status === "4" || answer.status === "14") throw new Error(answer.trailers);
    return answer;
  });
}

/**
 * One framed message there, one framed message and the framed trailers back (gRPC-Web protocol description).
 */
async function grpcWebOnce(id: number, { method, message }: WebCall): Promise<WebAnswer> {
  const frame = new Uint8Array(5 + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, 5);
  const response = await post(id, { method, type: "application/grpc-web+proto", body: frame });
  assert.is(response.status, 200);
  const answer = await response.bytes();
  const parts = { message: new Uint8Array(0), trailers: headerLines(response.headers) };
  for (let at = 0; at < answer.length;) {
    const length = new DataView(answer.buffer, at + 1, 4).getUint32(0);
    const payload = answer.subarray(at + 5, at + 5 + length);
    if ((answer[at]! & GRPC_WEB_TRAILER) !== 0) parts.trailers += new TextDecoder().decode(payload);
    else parts.message = payload;
    at += 5 + length;
  }
  return { ...parts, status: /grpc-status: ?(\d+)/.exec(parts.trailers)?.[1] };
}

function headerLines(headers: Headers): string {
  return [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
}

/** A protobuf field of type bytes with fewer than 128 of them. */
function field(number: number, content: string): Uint8Array<ArrayBuffer> {
  const bytes = text(content);
  return concat(Uint8Array.of((number << 3) | 2, bytes.length), bytes);
}

function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

function concat(first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

test.run();
