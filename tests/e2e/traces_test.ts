/**
 * Traces of a real node: a process started as the README says, a collector that it exports to, and calls by
 * all protocols, each with a trace of its own.
 *
 * @module
 */

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { ClusterService, KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { type ExportedSpan, OtlpCollector } from "../support/otlp_collector.ts";
import { until } from "../support/patience.ts";

const test = suite("traces");
const PARENT = "b7ad6b7169203331";
const KEY = new TextEncoder().encode("a key");
const SERVER_KIND = 2;
const ERROR = 2;
const UNSET = 0;

/** Makes calls whose spans can be told apart. */
class Traces {
  readonly #collector: OtlpCollector;
  #last = 0;

  constructor(collector: OtlpCollector) {
    this.#collector = collector;
  }

  /** The id of a new trace. */
  next(): string {
    return (++this.#last).toString(16).padStart(32, "a");
  }

  spansOf(traceId: string): readonly ExportedSpan[] {
    return this.#collector.spans.filter((span) => span.traceId === traceId);
  }

  /** The one span of a call, which must be that of a server and the caller's child. */
  async of(call: (headers: Record<string, string>) => Promise<unknown>): Promise<ExportedSpan> {
    const traceId = this.next();
    await call({ traceparent: `00-${traceId}-${PARENT}-01` });
    await until(() => this.spansOf(traceId).length > 0, () => `the span of trace ${traceId} has come`);
    const [span] = this.spansOf(traceId);
    assert.equal([span!.parentSpanId, span!.kind], [PARENT, SERVER_KIND]);
    assert.ok(BigInt(span!.endTimeUnixNano) >= BigInt(span!.startTimeUnixNano));
    return span!;
  }
}

/** The attributes with these names. */
function some({ attributes }: ExportedSpan, ...names: readonly string[]): readonly unknown[] {
  return names.map((name) => attributes[name]);
}

/** The code of a call that must fail. */
async function codeOf(call: Promise<unknown>): Promise<Code> {
  return await call.then(
    () => {
      throw new Error("the call was answered");
    },
    (error) => ConnectError.from(error).code,
  );
}

const RPC = [
  "rpc.system",
  "rpc.service",
  "rpc.method",
  "http.response.status_code",
  "network.protocol.version",
];

test("each call has one span, the caller's child, whatever protocol it comes by", async () => {
  await using collector = OtlpCollector.open();
  await using cluster = await ProcessCluster.start({ nodes: 1, env: collector.environment });
  const traces = new Traces(collector);
  const base = cluster.address(1);
  const { hostname, port } = new URL(base);
  const ways: readonly (readonly [Transport, string, string])[] = [
    [
      createConnectTransport({ baseUrl: base, httpVersion: "1.1", useBinaryFormat: false }),
      "connect_rpc",
      "1.1",
    ],
    [
      createConnectTransport({ baseUrl: base, httpVersion: "1.1", useBinaryFormat: true }),
      "connect_rpc",
      "1.1",
    ],
    [createConnectTransport({ baseUrl: base, httpVersion: "2", useBinaryFormat: true }), "connect_rpc", "2"],
    [createGrpcWebTransport({ baseUrl: base, httpVersion: "1.1" }), "grpc", "1.1"],
    [createGrpcTransport({ baseUrl: base }), "grpc", "2"],
  ];
  const seen: ExportedSpan[] = [];
  for (const [transport, system, version] of ways) {
    const kv = createClient(KvService, transport);
    const put = await traces.of((headers) => kv.put({ key: KEY, value: KEY }, { headers }));
    assert.is(put.name, "prkdb.v1.KvService/Put");
    assert.equal(some(put, ...RPC), [system, "prkdb.v1.KvService", "Put", 200, version]);
    assert.equal(some(put, "server.address", "server.port"), [hostname, Number(port)]);
    assert.equal([put.statusCode, ...some(put, "error.type")], [UNSET, undefined]);
    if (system === "grpc") assert.is(put.attributes["rpc.grpc.status_code"], 0);

    const precondition = { expected: { case: "absent", value: true } } as const;
    const failed = await traces.of(async (headers) => {
      assert.is(await codeOf(kv.put({ key: KEY, precondition }, { headers })), Code.FailedPrecondition);
    });
    assert.is(failed.name, "prkdb.v1.KvService/Put");
    if (system === "grpc") {
      // By convention this is the caller's fault, and no error of the server.
      assert.equal([failed.statusCode, failed.attributes["rpc.grpc.status_code"]], [UNSET, 9]);
    } else {
      const words = some(failed, "rpc.connect_rpc.error_code", "error.type", "http.response.status_code");
      assert.equal([failed.statusCode, ...words], [ERROR, "failed_precondition", "failed_precondition", 400]);
    }

    const stream = await traces.of(async (headers) => {
      const changes = createClient(ClusterService, transport).watchChanges({ once: true }, { headers });
      for await (const _ of changes) {
        // All that is retained.
      }
    });
    assert.is(stream.name, "prkdb.v1.ClusterService/WatchChanges");
    assert.equal(some(stream, ...RPC.slice(0, 4)), [system, "prkdb.v1.ClusterService", "WatchChanges", 200]);
    assert.is(stream.statusCode, UNSET);
    seen.push(put, failed, stream);
  }
  for (const { traceId } of seen) assert.is(traces.spansOf(traceId).length, 1);
});

test("pages, what is not there and refusals have spans; callers who do not record have none", async () => {
  await using collector = OtlpCollector.open();
  await using cluster = await ProcessCluster.start({ nodes: 1, env: collector.environment });
  const traces = new Traces(collector);
  const base = cluster.address(1);
  const get = async (url: string, headers: Record<string, string>) => {
    await (await fetch(url, { headers })).body?.cancel();
  };

  const silent = traces.next();
  await get(`${base}/nothing`, { traceparent: `00-${silent}-${PARENT}-00` });
  const malformed = traces.next();
  await get(`${base}/nothing`, { traceparent: `00-${malformed}-${PARENT}-0`, "user-agent": "malformed" });

  const unknown = await traces.of((headers) => get(`${base}/nothing?a=secret`, headers));
  assert.is(unknown.name, "GET");
  const words = some(unknown, "url.path", "http.response.status_code", "http.route", "rpc.system");
  assert.equal(words, ["/nothing", 404, undefined, undefined]);
  assert.not(JSON.stringify(unknown).includes("secret"));

  const page = await traces.of((headers) => get(`${cluster.metricsAddress(1)}/metrics`, headers));
  assert.is(page.name, "GET /metrics");
  assert.equal(some(page, "http.route", "http.response.status_code"), ["/metrics", 200]);

  const kv = createClient(KvService, createGrpcTransport({ baseUrl: base }));
  const refused = await traces.of(async (headers) => {
    const foreign = { ...headers, "prkdb-cluster": "another" };
    assert.is(await codeOf(kv.get({ key: KEY }, { headers: foreign })), Code.FailedPrecondition);
  });
  assert.equal(some(refused, "rpc.method", "rpc.grpc.status_code"), ["Get", 9]);

  // What was asked before has been exported before.
  assert.equal(traces.spansOf(silent), []);
  assert.equal(traces.spansOf(malformed), []);
  const alone = collector.spans.filter(({ attributes }) => attributes["user_agent.original"] === "malformed");
  assert.equal(alone.map(({ name, parentSpanId }) => [name, parentSpanId]), [["GET", ""]]);
});

test.run();
