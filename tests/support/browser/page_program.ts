/**
 * What a page does with a node, bundled for browsers by `browser_test.ts` and run there: the project's own
 * client, the ordinary client of others (connect-web, both its protocols), and `fetch`. Each function returns
 * what the page has seen, as JSON.
 *
 * @module
 */

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { createPrkDbTransport, PreconditionError, PrkDbClient, PrkDbError } from "../../../client/mod.ts";
import { ClusterService, ErrorInfoSchema, KvService } from "../../../proto/services.ts";

/** What the project's client came to. */
export interface ClientReport {
  readonly text: string | undefined;
  readonly many: readonly (string | undefined)[];
  readonly deleted: boolean;
  readonly gone: boolean;
  /** Whether the refused write is told as a condition that does not hold, and the version that is there. */
  readonly conflict: readonly [isPrecondition: boolean, currentVersion: boolean];
  readonly changes: number;
}

/** What a generated client came to. */
export interface GeneratedReport {
  readonly value: string;
  readonly many: readonly (string | undefined)[];
  readonly existed: boolean;
  readonly conflict: readonly [code: string | undefined, reason: string | undefined, isCurrent: boolean];
  readonly invalid: readonly [code: string | undefined, message: string];
  /** Whether a stream has come to its end. */
  readonly ended: boolean;
}

/** What `fetch` came to: a status and a text, or nothing that a page may know. */
export type FetchReport = readonly [status: number, text: string] | "no access";

/** One request of a page. */
export interface PageRequest {
  readonly url: string;
  /** Content type of a POST; a GET unless given. */
  readonly type?: string;
  readonly body?: string;
}

const decoder = new TextDecoder();

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** What `call` fails with. */
async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  return await call().then(() => "it has succeeded", (error) => error);
}

async function tryClient(node: string): Promise<ClientReport> {
  const client = await PrkDbClient.connect([node]);
  await client.put("page:client", "first");
  await Promise.all(Array.from({ length: 100 }, (_, at) => client.put(`page:${at}`, `${at}`)));
  const entry = await client.getEntry("page:client");
  const conflict = await failureOf(() => client.put("page:client", "x", { precondition: { absent: true } }));
  const many = await client.getMany(["page:7", "page:none", "page:99"]);
  const report: ClientReport = {
    text: await client.getText("page:client"),
    many: many.map((value) => value === undefined ? undefined : decoder.decode(value)),
    deleted: (await client.delete("page:client")).existed,
    gone: await client.get("page:client") === undefined,
    conflict: [
      conflict instanceof PreconditionError,
      conflict instanceof PreconditionError && conflict.currentVersion === entry?.version,
    ],
    changes: (await client.cluster.changes()).length,
  };
  await client.close();
  return report;
}

/** What the project's client says of a node that does not serve it: its code and its text. */
async function failClient(node: string): Promise<readonly [code: string, message: string]> {
  const error = await failureOf(() => PrkDbClient.connect([node]));
  return error instanceof PrkDbError ? [error.code, error.message] : ["none", String(error)];
}

function transports(baseUrl: string): Readonly<Record<string, Transport>> {
  return {
    "prkdb": createPrkDbTransport({ baseUrl }),
    "Connect protobuf": createConnectTransport({ baseUrl, useBinaryFormat: true }),
    "Connect JSON": createConnectTransport({ baseUrl }),
    "Connect GET": createConnectTransport({ baseUrl, useBinaryFormat: true, useHttpGet: true }),
    "gRPC-Web protobuf": createGrpcWebTransport({ baseUrl, useBinaryFormat: true }),
    "gRPC-Web JSON": createGrpcWebTransport({ baseUrl, useBinaryFormat: false }),
  };
}

async function tryGenerated(node: string): Promise<Readonly<Record<string, GeneratedReport>>> {
  const reports: Record<string, GeneratedReport> = {};
  for (const [name, transport] of Object.entries(transports(node))) {
    reports[name] = await tryTransport(transport, bytes(`page:${name}`));
  }
  return reports;
}

async function tryTransport(transport: Transport, key: Uint8Array): Promise<GeneratedReport> {
  const kv = createClient(KvService, transport);
  const { version } = await kv.put({ key, value: bytes("from a page") });
  const got = await kv.get({ key });
  const { results } = await kv.getMany({ keys: [key, bytes("page:none")] });
  const conflict = ConnectError.from(
    await failureOf(() => kv.put({ key, precondition: { expected: { case: "absent", value: true } } })),
  );
  const [info] = conflict.findDetails(ErrorInfoSchema);
  const invalid = ConnectError.from(await failureOf(() => kv.put({ key: new Uint8Array() })));
  let count = 0;
  for await (const _ of createClient(ClusterService, transport).watchChanges({ once: true })) count++;
  return {
    value: decoder.decode(got.value),
    many: results.map(({ value }) => value === undefined ? undefined : decoder.decode(value)),
    existed: (await kv.delete({ key })).existed,
    conflict: [Code[conflict.code], info?.reason, info?.currentVersion === version],
    invalid: [Code[invalid.code], invalid.rawMessage],
    ended: count === 0,
  };
}

async function tryFetch({ url, type, body }: PageRequest): Promise<FetchReport> {
  const init = type === undefined
    ? {}
    : { method: "POST", headers: { "content-type": type }, body: body ?? null };
  try {
    const response = await fetch(url, init);
    return [response.status, await response.text()];
  } catch {
    return "no access";
  }
}

/** What a page's script can be asked to do. */
export interface PageProgram {
  readonly tryClient: typeof tryClient;
  readonly failClient: typeof failClient;
  readonly tryGenerated: typeof tryGenerated;
  readonly tryFetch: typeof tryFetch;
}

const program: PageProgram = { tryClient, failClient, tryGenerated, tryFetch };
Object.assign(globalThis, { program });
