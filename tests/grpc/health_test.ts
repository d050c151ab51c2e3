/**
 * Health by gRPC: what the node's readiness is, for whom, and how it is watched.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
} from "../../proto/mod.ts";
import { readinessOf } from "../../server/api/mod.ts";
import { HEALTH_WATCHERS_MAX } from "../../server/grpc/health.ts";
import { envelope, pathOf } from "../conformance/callers.ts";
import { assert, suite } from "../harness.ts";
import { askRouter, OpenExchange } from "../support/fake_exchange.ts";
import { GrpcNode } from "../support/grpc_node.ts";
import { until } from "../support/patience.ts";

const test = suite("gRPC health");
const TYPE = { "content-type": "application/grpc" };
const READY = readinessOf([]);
const NOT_READY = readinessOf([{ kind: "noLeader", reason: "partition 3 has no leader" }]);
const SERVICES = [
  "",
  "prkdb.v1.KvService",
  "prkdb.v1.ClusterService",
  "prkdb.v1.BackupService",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
];

function asking(service: string): Uint8Array<ArrayBuffer> {
  return envelope(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service })));
}

/** The status, or the code of the error. */
async function check({ router }: GrpcNode, service: string): Promise<string> {
  const path = pathOf(Health.method.check);
  const answer = await askRouter(router, { path, headers: TYPE, body: asking(service) });
  const refusal = answer.headers.get("grpc-status");
  if (refusal !== null) return refusal;
  return ServingStatus[fromBinary(HealthCheckResponseSchema, answer.body.subarray(5)).status];
}

async function watch({ router }: GrpcNode, service: string): Promise<OpenExchange> {
  const open = new OpenExchange(router, { path: pathOf(Health.method.watch), headers: TYPE });
  await open.send(asking(service));
  open.finish();
  return open;
}

function told({ writes }: OpenExchange): readonly string[] {
  return writes.map((write) =>
    ServingStatus[fromBinary(HealthCheckResponseSchema, write.subarray(5)).status]
  );
}

test("the node and each of its services are as ready as the node", async () => {
  const grpc = new GrpcNode();
  for (const service of SERVICES) assert.is(await check(grpc, service), "SERVING", service);
  grpc.readiness = NOT_READY;
  for (const service of SERVICES) assert.is(await check(grpc, service), "NOT_SERVING", service);
  assert.is(await check(grpc, "prkdb.v1.RaftService"), "5");
  assert.is(grpc.noted.at(-1), "HealthCheck not_found");
});

test("a watch tells each change once", async () => {
  const grpc = new GrpcNode();
  const all = await watch(grpc, "");
  const service = await watch(grpc, "prkdb.v1.KvService");
  const unknown = await watch(grpc, "nobody");
  const expected: string[] = [];
  for (const readiness of [READY, NOT_READY, READY]) {
    grpc.readiness = readiness;
    expected.push(readiness.isReady ? "SERVING" : "NOT_SERVING");
    await until(() => told(all).length === expected.length, "the change is told");
    await until(() => told(service).length === expected.length, "the change is told, too");
  }
  assert.equal(told(all), expected);
  assert.equal(told(service), expected);
  assert.equal(told(unknown), ["SERVICE_UNKNOWN"]);
  all.leave();
  assert.is((await all.ended).trailers.get("grpc-status"), "1");
  grpc.closing.abort();
  assert.is((await service.ended).trailers.get("grpc-status"), "14");
  assert.is((await unknown.ended).trailers.get("grpc-status"), "14");
  assert.equal(grpc.noted, Array(3).fill("HealthWatch ok"));
});

test("watches are bounded, and one that ends makes room", async () => {
  const grpc = new GrpcNode();
  const open = await Promise.all(Array.from({ length: HEALTH_WATCHERS_MAX }, () => watch(grpc, "")));
  await until(() => open.every(({ writes }) => writes.length === 1), "all have been told");
  const refused = await (await watch(grpc, "")).ended;
  assert.is(refused.trailers.get("grpc-status"), "8");
  open[0]!.leave();
  await open[0]!.ended;
  await until(() => grpc.noted.length === HEALTH_WATCHERS_MAX + 1, "all are noted");
  // The place is free when the method has ended, which nothing tells: until then there is a refusal.
  // The place is free when the method has ended, which nothing tells: until then there are refusals.
  let again = await watch(grpc, "");
  for (;;) {
    await until(() => again.writes.length > 0 || again.hasEnded, "there is an answer");
    if (again.writes.length > 0) break;
    again = await watch(grpc, "");
  }
  grpc.closing.abort();
  await again.ended;
});

test.run();
