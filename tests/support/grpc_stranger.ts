/**
 * A client of gRPC that knows of a node only what its reflection says: the library of Node.js, with nothing
 * of the contract.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  type CallOptions,
  Client,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, type PackageDefinition } from "@grpc/proto-loader";
import { ServerReflectionRequestSchema, ServerReflectionResponseSchema } from "../../proto/mod.ts";
import { assert } from "../harness.ts";
import { PATIENCE_MS } from "./patience.ts";

const MIB = 1_048_576;

/** A message as the other library has it. */
export type PlainMessage = Record<string, unknown>;

/** How one call is made. */
export interface Asking {
  readonly metadata?: Readonly<Record<string, string | Buffer>>;
  readonly options?: CallOptions;
}

/** See the module comment. */
export class Stranger {
  readonly client: Client;
  readonly #definitions: PackageDefinition;

  private constructor(client: Client, definitions: PackageDefinition) {
    this.client = client;
    this.#definitions = definitions;
  }

  static async meet(address: string, options: ClientOptions = {}): Promise<Stranger> {
    const client = new Client(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": 64 * MIB,
      ...options,
    });
    return new Stranger(client, await reflect(client));
  }

  async call(path: string, input: PlainMessage, asking: Asking = {}): Promise<PlainMessage> {
    const { requestSerialize, responseDeserialize } = this.#methodAt(path);
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(asking.metadata ?? {})) metadata.set(name, value);
    const options = { deadline: Date.now() + PATIENCE_MS, ...asking.options };
    const { promise, resolve, reject } = Promise.withResolvers<PlainMessage>();
    this.client.makeUnaryRequest(
      `/${path}`,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as PlainMessage,
      input,
      metadata,
      options,
      (error, answer) => error === null ? resolve(answer!) : reject(error),
    );
    return await promise;
  }

  stream(path: string, input: PlainMessage, options: CallOptions = {}) {
    const { requestSerialize, responseDeserialize } = this.#methodAt(path);
    return this.client.makeServerStreamRequest(
      `/${path}`,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as PlainMessage,
      input,
      new Metadata(),
      options,
    );
  }

  #methodAt(path: string): MethodDefinition<object, object> {
    const [service, name] = path.split("/") as [string, string];
    const definition = this.#definitions[service] as unknown as Record<
      string,
      MethodDefinition<object, object>
    >;
    return definition[name]!;
  }
}

/** All that a node serves, by its own account. */
async function reflect(client: Client): Promise<PackageDefinition> {
  const stream = client.makeBidiStreamRequest(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    (request: Uint8Array) => Buffer.from(request),
    (bytes: Buffer) => fromBinary(ServerReflectionResponseSchema, bytes).messageResponse,
    new Metadata(),
    { deadline: Date.now() + PATIENCE_MS },
  );
  const answers = stream[Symbol.asyncIterator]();
  const ask = async (question: "listServices" | "fileContainingSymbol", value: string) => {
    const messageRequest = { case: question, value };
    const request = create(ServerReflectionRequestSchema, { messageRequest });
    stream.write(toBinary(ServerReflectionRequestSchema, request));
    return (await answers.next()).value as ReturnType<
      typeof fromBinary<typeof ServerReflectionResponseSchema>
    >["messageResponse"];
  };
  const list = await ask("listServices", "");
  assert.ok(list.case === "listServicesResponse");
  const files = new Map<string, Uint8Array>();
  for (const { name } of list.value.service) {
    const found = await ask("fileContainingSymbol", name);
    assert.ok(found.case === "fileDescriptorResponse");
    for (const bytes of found.value.fileDescriptorProto) {
      files.set(fromBinary(FileDescriptorProtoSchema, bytes).name, bytes);
    }
  }
  stream.end();
  const file = [...files.values()].map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  const set = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }));
  return loadFileDescriptorSetFromBuffer(Buffer.from(set), { keepCase: true, longs: String, enums: String });
}
