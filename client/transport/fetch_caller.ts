/**
 * Connect over `fetch`. `fetchCaller` is the lean road of unary calls: bytes in, bytes out, one `fetch`, none
 * of the generic machinery, which costs more than the request itself. `createPrkDbTransport` puts Connect's
 * `Transport` on top, for `createClient(KvService, transport)`; server-streaming methods go through
 * connect-es.
 *
 * Reads that fit into a URL are sent as Connect GET, which a node answers without reading a body.
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
import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import {
  readAllBytes,
  type UniversalClientRequest,
  universalClientResponseFromFetch,
} from "@connectrpc/connect/protocol";
import {
  codeFromHttpStatus,
  createTransport,
  errorFromJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { DEFAULT_TIMEOUT_MS, REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import type { StreamCaller, UnaryCall, UnaryCaller } from "./caller.ts";
import { fetchStream } from "./stream.ts";

/**
 * Requests up to this size travel in the URL when they have no side effects; well below any limit of proxies.
 */
const GET_BYTES_MAX = 1_024;

const UNARY_TYPE = "application/proto";
const GET_QUERY = "?connect=v1&encoding=proto&base64=1&message=";
const IDEMPOTENT = 1;

/** The part of `fetch` that is used: a URL as text and plain options. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>;

/** How calls are made. */
export interface FetchCallerOptions {
  /** Instead of the platform's `fetch`. */
  readonly fetch?: FetchFunction;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A caller over `fetch`, of unary calls and of streams. */
export function fetchCaller(options: FetchCallerOptions = {}): UnaryCaller & StreamCaller {
  const fetchFunction = options.fetch ?? ((url, init) => fetch(url, init));
  const headers = options.headers ?? {};
  return {
    async call(call) {
      const response = await send(call, { fetchFunction, headers });
      const body = new Uint8Array(await response.arrayBuffer());
      if (response.status === 200) return checkedBody(response, body);
      throw errorOfResponse(response, body);
    },
    stream: (call) => fetchStream(call, { open: fetchFunction, headers }),
  };
}

function send(
  call: UnaryCall,
  { fetchFunction, headers }: {
    readonly fetchFunction: FetchFunction;
    readonly headers: Readonly<Record<string, string>>;
  },
): Promise<Response> {
  const { address, path, body, signal } = call;
  const sent: Record<string, string> = {
    ...headers,
    "connect-timeout-ms": String(Math.ceil(call.timeoutMs)),
  };
  if (call.direct) sent["prkdb-route"] = "direct";
  if (call.readOnly && body.length <= GET_BYTES_MAX) {
    const url = `${address}${path}${GET_QUERY}${base64Encode(body, "url")}`;
    // An old answer out of a cache would break linearizability.
    return fetchFunction(url, { headers: sent, signal, cache: "no-store" });
  }
  sent["content-type"] = UNARY_TYPE;
  sent["connect-protocol-version"] = "1";
  return fetchFunction(`${address}${path}`, { method: "POST", headers: sent, body, signal });
}

function checkedBody(response: Response, body: Uint8Array): Uint8Array {
  const type = response.headers.get("content-type") ?? "";
  if (type === UNARY_TYPE || type.startsWith(`${UNARY_TYPE};`)) return body;
  throw new ConnectError(`The answer is of type "${type}" and not "${UNARY_TYPE}"`, Code.Unknown);
}

/** The Connect error in `body`, or what the HTTP status says when something else than a node has answered. */
function errorOfResponse(response: Response, body: Uint8Array): ConnectError {
  const fallback = new ConnectError(`HTTP status ${response.status}`, codeFromHttpStatus(response.status));
  if (!response.headers.get("content-type")?.startsWith("application/json")) return fallback;
  try {
    return errorFromJsonBytes(body as Uint8Array<ArrayBuffer>, response.headers, fallback);
  } catch {
    return fallback;
  }
}

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
      readOnly: method.idempotency === IDEMPOTENT,
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
    throw connectErrorOf(error, { aborted: given.signal?.aborted ?? false, timedOut: limit.aborted });
  }
}

/** Connect's codes for what `fetch` throws when no answer came. */
function connectErrorOf(
  error: unknown,
  { aborted, timedOut }: { readonly aborted: boolean; readonly timedOut: boolean },
): ConnectError {
  if (error instanceof ConnectError) return error;
  if (aborted) return ConnectError.from(error, Code.Canceled);
  if (timedOut) return new ConnectError("the operation timed out", Code.DeadlineExceeded);
  return ConnectError.from(error, Code.Unavailable);
}

function callStream(method: DescMethodStreaming, options: TransportOptions): Transport {
  if (method.methodKind !== "server_streaming") {
    throw new ConnectError(
      `${method.name} streams requests, which this transport cannot`,
      Code.Unimplemented,
    );
  }
  const fetchFunction = options.fetch ?? ((url, init) => fetch(url, init));
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
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  });
}
