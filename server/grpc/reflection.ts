/**
 * `grpc.reflection.v1.ServerReflection`: tools such as grpcurl learn here what a node serves, without its
 * proto files. The same answers stand under the older name `v1alpha`, for tools that know only that; the two
 * differ in nothing but their package.
 *
 * Source: GRPC Server Reflection Protocol.
 *
 * @module
 */

import { create, type DescService, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../proto/mod.ts";
import { decodeGenerated } from "../rpc/method/mod.ts";
import { DescriptorIndex } from "./descriptors.ts";
import type { GrpcStream } from "./stream_handler.ts";

const METHOD = ServerReflection.method.serverReflectionInfo.name;
const OLDER_SERVICE = "grpc.reflection.v1alpha.ServerReflection";

type Answered = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

/** The one method of the service, under both of its names. */
export function reflectionStreams(services: readonly DescService[]): readonly GrpcStream[] {
  const names = services.map(({ typeName }) => typeName).sort();
  const index = new DescriptorIndex(services);
  return [ServerReflection.typeName, OLDER_SERVICE].map((service) => ({
    name: METHOD,
    path: `/${service}/${METHOD}`,
    answer: async function* (requests) {
      for await (const bytes of requests) {
        const originalRequest = decodeGenerated(ServerReflectionRequestSchema, bytes);
        const messageResponse = answerQuestion({ index, names }, originalRequest.messageRequest);
        const answer = { validHost: originalRequest.host, originalRequest, messageResponse };
        yield toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer));
      }
    },
  }));
}

interface Known {
  readonly index: DescriptorIndex;
  readonly names: readonly string[];
}

function answerQuestion(
  { index, names }: Known,
  question: ServerReflectionRequest["messageRequest"],
): Answered {
  switch (question.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
    case "fileByFilename":
      return files(index.fileByName(question.value), `the file "${question.value}"`);
    case "fileContainingSymbol":
      return files(index.fileOfSymbol(question.value), `the name "${question.value}"`);
    case "fileContainingExtension":
      return notFound(`an extension of "${question.value.containingType}"`);
    case "allExtensionNumbersOfType":
      // The contract has no extensions.
      return index.hasMessage(question.value)
        ? { case: "allExtensionNumbersResponse", value: { baseTypeName: question.value } }
        : notFound(`the message "${question.value}"`);
    case undefined:
      return failure(
        Code.InvalidArgument,
        "Cannot answer: the request has no question: set one of its fields",
      );
  }
}

function files(found: readonly Uint8Array[] | undefined, what: string): Answered {
  if (found === undefined) return notFound(what);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [...found] } };
}

function notFound(what: string): Answered {
  return failure(Code.NotFound, `Cannot find ${what}: this node does not know it: list its services first`);
}

function failure(errorCode: Code, errorMessage: string): Answered {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
