/**
 * An ordinary client of somebody else: connect-es under Node.js, with its own generated-code runtime and its
 * own HTTP stack, against a real node. Connect and gRPC-Web, over HTTP/1.1 and HTTP/2, in protobuf and JSON;
 * and gRPC. Where there is no `node` on PATH this says so and is left out.
 *
 * @module
 */

import { buildPackage } from "../../client/npm/build.ts";
import { hasNode, linkPackages, runInNode } from "../client/node_program.ts";
import { assert, noteSkipped, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";

const test = suite("connect-node");
const PACKAGES = ["@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-node"];

const PROGRAM = `
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema, KvService, ClusterService } from "./prkdb/proto/mod.js";

const baseUrl = process.argv[2];
const transports = [];
for (const httpVersion of ["1.1", "2"]) {
  for (const useBinaryFormat of [true, false]) {
    const name = "HTTP/" + httpVersion + (useBinaryFormat ? " protobuf" : " JSON");
    const options = { baseUrl, httpVersion, useBinaryFormat };
    transports.push(["Connect " + name, createConnectTransport(options)]);
    transports.push(["Connect GET " + name, createConnectTransport({ ...options, useHttpGet: true })]);
    transports.push(["gRPC-Web " + name, createGrpcWebTransport(options)]);
  }
}
transports.push(["gRPC", createGrpcTransport({ baseUrl })]);
const bytes = (text) => new TextEncoder().encode(text);
const report = {};
for (const [name, transport] of transports) {
  const kv = createClient(KvService, transport);
  const key = bytes("key of " + name);
  const put = await kv.put({ key, value: bytes("value"), precondition: { expected: { case: "absent", value: true } } });
  const got = await kv.get({ key });
  const many = await kv.getMany({ keys: [key, bytes("none")] });
  const batch = await kv.writeBatch({ mutations: [{ kind: { case: "delete", value: { key } } }] });
  const codes = [];
  let reason;
  try {
    await kv.put({ key, precondition: { expected: { case: "version", value: 1n << 40n } } });
  } catch (error) {
    codes.push(Code[error.code]);
    reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
  }
  try {
    await kv.put({ key: new Uint8Array() });
  } catch (error) {
    codes.push(Code[ConnectError.from(error).code]);
  }
  const cluster = createClient(ClusterService, transport);
  const { nodes } = await cluster.getMetadata({});
  const { changeId } = await cluster.rebalance({});
  let watched = false;
  for await (const change of cluster.watchChanges({})) {
    watched = change.changeId === changeId && change.finished && change.error === "";
    if (watched) break;
  }
  let listed = false;
  for await (const change of cluster.watchChanges({ once: true })) listed ||= change.changeId === changeId;
  report[name] = {
    written: put.version > 0n && got.version === put.version,
    value: new TextDecoder().decode(got.value),
    missing: many.results[1].value === undefined,
    existed: batch.results[0].existed,
    codes,
    reason,
    nodes: nodes.length,
    watched,
    listed,
  };
}
console.log(JSON.stringify(report));
process.exit(0);
`;

const EXPECTED = {
  written: true,
  value: "value",
  missing: true,
  existed: true,
  codes: ["FailedPrecondition", "InvalidArgument"],
  reason: "PRECONDITION",
  nodes: 1,
  watched: true,
  listed: true,
};

test("speaks to a node in every way it knows", async () => {
  if (!(await hasNode())) return noteSkipped("no node on PATH: connect-node has not been tried");
  await using cluster = await ProcessCluster.start({ nodes: 1 });
  const folder = await Deno.makeTempDir({ prefix: "prkdb-connect-node-" });
  try {
    await buildPackage(new URL(`file://${folder}/prkdb/`));
    await linkPackages(folder, PACKAGES);
    await Deno.writeTextFile(`${folder}/program.mjs`, PROGRAM);
    const report = await runInNode(`${folder}/program.mjs`, cluster.addresses()[0]!) as Record<
      string,
      unknown
    >;
    assert.is(Object.keys(report).length, 13);
    for (const [name, outcome] of Object.entries(report)) assert.equal(outcome, EXPECTED, name);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test.run();
