/**
 * Connect's `Transport` over `fetchCaller`, for `createClient(KvService, transport)`: for programs that want
 * the generated services of the contract instead of the client. Server-streaming methods go through
 * connect-es.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import {
  readAllBytes,
  type UniversalClientRequest,
  universalClientResponseFromFetch,
} from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { DEFAULT_TIMEOUT_MS, REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import type { UnaryCaller } from "./caller.ts";
import { reasonOf } from "./failure.ts";
import { fetchCaller, type FetchCallerOptions, type FetchFunction, platformFetch } from "./fetch_caller.ts";

/** `MethodOptions.IdempotencyLevel.NO_SIDE_EFFECTS` of protobuf. */
const NO_SIDE_EFFECTS = 1;

/** Of a `Transport`. */
export interface TransportOptions extends FetchCallerOptions {
  /** Of one node, for example `http://127.0.0.1:50051`. */
  readonly baseUrl: string;
  /** Deadline of calls that name none, in milliseconds. */
  readonly defaultTimeoutMs?: number;
}

/**
 * A Connect `Transport` to one node, for the generated services. It does not route: the node forwards.
 * Interceptors and the headers of unary answers are left out; client-streaming methods throw `unimplemented`,
 * because browsers cannot send such bodies.
 */
export function createPrkDbTransport(options: TransportOptions): Transport {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const caller = fetchCaller(options);
  return {
    unary: (method, signal, timeoutMs, header, input) =>
      callUnary(method, { baseUrl, caller, options, signal, timeoutMs, header, input }),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      callStream(method, options).stream(method, signal, timeoutMs, header, input, contextValues),
  };
}

interface UnaryArguments<Input extends DescMessage> {
  readonly baseUrl: string;
  readonly caller: UnaryCaller;
  readonly options: TransportOptions;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: HeadersInit | undefined;
  readonly input: MessageInitShape<Input>;
}

async function callUnary<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodUnary<Input, Output>,
  given: UnaryArguments<Input>,
): Promise<UnaryResponse<Input, Output>> {
  const timeoutMs = given.timeoutMs ?? given.options.defaultTimeoutMs ?? DEFAULT_TIMEOUT_MS;
  const extra = given.header === undefined ? undefined : Object.fromEntries(new Headers(given.header));
  const caller = extra === undefined
    ? given.caller
    : fetchCaller({ ...given.options, headers: { ...given.options.headers, ...extra } });
  const limit = AbortSignal.timeout(timeoutMs);
  const signal = given.signal === undefined ? limit : AbortSignal.any([given.signal, limit]);
  try {
    const response = await caller.call({
      address: given.baseUrl,
      path: `/${method.parent.typeName}/${method.name}`,
      body: toBinary(method.input, create(method.input, given.input)),
      timeoutMs,
      direct: false,
      // Programs that know their cluster may send the header themselves.
      clusterId: "",
      readOnly: method.idempotency === NO_SIDE_EFFECTS,
      signal,
    });
    return {
      stream: false,
      service: method.parent,
      method,
      header: new Headers(),
      trailer: new Headers(),
      message: fromBinary(method.output, response),
    };
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    if (given.signal?.aborted === true) throw ConnectError.from(error, Code.Canceled);
    if (limit.aborted) throw timeoutError(timeoutMs);
    throw new ConnectError(reasonOf(error), Code.Unavailable, undefined, undefined, error);
  }
}

function timeoutError(timeoutMs: number): ConnectError {
  const message = `The call did not end within ${timeoutMs} ms: try again, or allow more time`;
  return new ConnectError(message, Code.DeadlineExceeded);
}

function callStream(method: DescMethodStreaming, options: TransportOptions): Transport {
  if (method.methodKind !== "server_streaming") {
    throw new ConnectError(
      `Cannot call ${method.name}: it streams requests, which not every fetch can send. ` +
        "Use a transport of @connectrpc/connect-node",
      Code.Unimplemented,
    );
  }
  const fetchFunction = options.fetch ?? platformFetch;
  return createTransport({
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    httpClient: async (request) =>
      universalClientResponseFromFetch(await sendStream(request, fetchFunction, options)),
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: REQUEST_BYTES_MAX,
    readMaxBytes: REQUEST_BYTES_MAX,
    writeMaxBytes: REQUEST_BYTES_MAX,
  });
}

/**
 * Sends the one message of a server-streaming call as a whole, because not every `fetch` takes a stream as
 * body.
 */
async function sendStream(
  request: UniversalClientRequest,
  fetchFunction: FetchFunction,
  { headers }: FetchCallerOptions,
): Promise<Response> {
  const sent = new Headers(request.header);
  for (const [name, value] of Object.entries(headers ?? {})) sent.set(name, value);
  const body = request.body === undefined
    ? null
    : await readAllBytes(request.body, REQUEST_BYTES_MAX) as Uint8Array<ArrayBuffer>;
  return fetchFunction(request.url, {
    method: request.method,
    headers: sent,
    body,
    signal: request.signal ?? null,
  });
}
