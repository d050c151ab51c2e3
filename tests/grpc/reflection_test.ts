/**
 * Reflection by gRPC: what is found by which name, and that the files are complete.
 *
 * @module
 */

import { create, createFileRegistry, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  KvService,
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../proto/mod.ts";
import { envelope } from "../conformance/callers.ts";
import { assert, suite } from "../harness.ts";
import { askRouter, OpenExchange } from "../support/fake_exchange.ts";
import { GrpcNode, messagesOf } from "../support/grpc_node.ts";
import { pause, until } from "../support/patience.ts";

const test = suite("gRPC reflection");
const METHOD = ServerReflection.method.serverReflectionInfo;
const V1 = "grpc.reflection.v1.ServerReflection";
const V1_ALPHA = "grpc.reflection.v1alpha.ServerReflection";

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;
type Reply = ServerReflectionResponse["messageResponse"];

/** The answers to `questions`, all on one stream. */
async function ask(questions: readonly Question[], service = V1): Promise<readonly Reply[]> {
  const body = questions.flatMap((messageRequest) => {
    const request = create(ServerReflectionRequestSchema, { host: "node", messageRequest });
    return [...envelope(toBinary(ServerReflectionRequestSchema, request))];
  });
  const answer = await askRouter(new GrpcNode().router, {
    path: `/${service}/ServerReflectionInfo`,
    headers: { "content-type": "application/grpc" },
    body: Uint8Array.from(body),
  });
  assert.is(answer.trailers.get("grpc-status"), "0");
  const replies = messagesOf(METHOD, answer.body);
  assert.equal(replies.map(({ validHost }) => validHost), questions.map(() => "node"));
  assert.equal(replies.map(({ originalRequest }) => originalRequest?.messageRequest.case), [
    ...questions.map((question) => question.case),
  ]);
  return replies.map(({ messageResponse }) => messageResponse);
}

function filesIn(reply: Reply): readonly string[] {
  assert.is(reply.case, "fileDescriptorResponse");
  if (reply.case !== "fileDescriptorResponse") return [];
  return reply.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

test("every service that is served is listed, by both names of the protocol", async () => {
  for (const service of [V1, V1_ALPHA]) {
    const [reply] = await ask([{ case: "listServices", value: "*" }], service);
    assert.ok(reply?.case === "listServicesResponse");
    assert.equal(reply.value.service.map(({ name }) => name), [
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "prkdb.v1.BackupService",
      "prkdb.v1.ClusterService",
      "prkdb.v1.KvService",
    ]);
  }
});

test("a file is found by its name and by all that it declares", async () => {
  const kv = "prkdb/v1/kv.proto";
  const symbols = [
    "prkdb.v1.KvService",
    ".prkdb.v1.KvService",
    "prkdb.v1.KvService.Put",
    "prkdb.v1.PutRequest",
    "prkdb.v1.PutRequest.key",
    "prkdb.v1.Precondition.expected",
    "prkdb.v1.Consistency",
  ];
  const replies = await ask([
    { case: "fileByFilename", value: kv },
    ...symbols.map((value) => ({ case: "fileContainingSymbol", value } as const)),
    { case: "fileContainingSymbol", value: "grpc.health.v1.HealthCheckResponse.SERVING" },
    { case: "fileContainingSymbol", value: "grpc.health.v1.HealthCheckResponse.ServingStatus" },
  ]);
  for (const reply of replies.slice(0, -2)) assert.is(filesIn(reply)[0], kv);
  for (const reply of replies.slice(-2)) assert.equal(filesIn(reply), ["grpc/health/v1/health.proto"]);
});

test("the files of a service are all that is needed to call it", async () => {
  const [list] = await ask([{ case: "listServices", value: "" }]);
  assert.ok(list?.case === "listServicesResponse");
  for (const { name } of list.value.service) {
    const [reply] = await ask([{ case: "fileContainingSymbol", value: name }]);
    assert.ok(reply?.case === "fileDescriptorResponse");
    // What is imported stands behind what imports it; the registry wants it before.
    const file = reply.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.reverse() }));
    const service = registry.getService(name);
    assert.ok(service !== undefined, name);
    if (name !== KvService.typeName) continue;
    assert.equal(
      service.methods.map((method) => method.name),
      KvService.methods.map((method) => method.name),
    );
    assert.equal(service.method["get"]!.idempotency, KvService.method.get.idempotency);
  }
});

test("what is not there is an answer, and the stream goes on", async () => {
  const extension = { containingType: "prkdb.v1.PutRequest", extensionNumber: 100 };
  const replies = await ask([
    { case: "fileByFilename", value: "nothing.proto" },
    { case: "fileContainingSymbol", value: "prkdb.v1.Nothing" },
    { case: "fileContainingSymbol", value: "prkdb.v1.RaftService" },
    { case: "fileContainingExtension", value: extension },
    { case: "allExtensionNumbersOfType", value: "prkdb.v1.Nothing" },
    { case: "allExtensionNumbersOfType", value: "prkdb.v1.PutRequest" },
  ]);
  for (const reply of replies.slice(0, 5)) {
    assert.ok(reply.case === "errorResponse");
    assert.is(reply.value.errorCode, 5);
    assert.match(reply.value.errorMessage, /^Cannot find /);
  }
  assert.ok(replies[5]?.case === "allExtensionNumbersResponse");
  assert.equal(replies[5].value.extensionNumber, []);
});

test("a question that is none ends in an answer, one that cannot be read ends the stream", async () => {
  const path = `/${V1}/ServerReflectionInfo`;
  const headers = { "content-type": "application/grpc" };
  const { router } = new GrpcNode();
  const empty = await askRouter(router, { path, headers, body: envelope(new Uint8Array(0)) });
  const [reply] = messagesOf(METHOD, empty.body);
  assert.ok(reply!.messageResponse.case === "errorResponse");
  assert.is(reply!.messageResponse.value.errorCode, 3);
  const garbled = await askRouter(router, { path, headers, body: envelope(Uint8Array.of(0xff)) });
  assert.is(garbled.trailers.get("grpc-status"), "3");
});

test("a caller that asks and does not read is held back, and its questions are counted", async () => {
  const grpc = new GrpcNode();
  const headers = { "content-type": "application/grpc" };
  const open = new OpenExchange(grpc.router, { path: `/${V1}/ServerReflectionInfo`, headers }, 0);
  const request = create(ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  });
  const question = envelope(toBinary(ServerReflectionRequestSchema, request));
  let taken = 0;
  const sending = open.send(Uint8Array.from([...question, ...question, ...question])).then(() => taken++);
  await until(() => open.writes.length === 1, "the first answer has come");
  await pause(0);
  assert.is(taken, 0);
  assert.is(grpc.bodies.takenBytes, 3 * (question.length - 5));
  open.read(3);
  await until(() => open.writes.length === 3, "the others have come");
  open.finish();
  await sending;
  assert.is((await open.ended).trailers.get("grpc-status"), "0");
  assert.is(grpc.bodies.takenBytes, 0);
});

test.run();
