/**
 * The general path: whatever is not a binary Connect unary call goes through the Connect router, which speaks
 * JSON, gRPC-Web and streams. The methods are those of the fast path (`fast_unary.ts`).
 *
 * The body is read here, within its limit, before the router sees it; a refusal is handed to the router, so
 * that the caller reads it in the protocol it speaks.
 *
 * @module
 */

import type { DescMethod } from "@bufbuild/protobuf";
import {
  type ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  createAsyncIterable,
  createLinkedAbortController,
  type UniversalHandler,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX, TIMEOUT_MS_MAX } from "../../proto/mod.ts";
import { DomainError, invalidArgument } from "../api/mod.ts";
import {
  checkCluster,
  checkProtocolVersion,
  CLUSTER_HEADER,
  type ClusterMember,
  isDirect,
} from "./call_headers.ts";
import { type GetQuery, messageOf } from "./connect_get.ts";
import {
  callOptions,
  decodeGenerated,
  earlyResponse,
  type StreamMethod,
  toConnectError,
  type UnaryMethod,
} from "./method/mod.ts";
import { checkJsonNumbers, isJsonType } from "./json_numbers.ts";
import { type BodyReader, GZIP } from "./request_body.ts";
import { noteFailure, noteSuccess, type RequestObserver } from "./request_observer.ts";

/** Why a call is refused before its body is looked at. */
const REFUSAL = createContextKey<ConnectError | undefined>(undefined);

/** In front of each message of a stream, and of every gRPC-Web message: flags and length. */
const ENVELOPE_HEADER_BYTES = 5;
const ENVELOPED = /^application\/(connect\+(proto|json)|grpc-web(\+(proto|json))?)$/i;

const CONNECT_TIMEOUT = /^\d{1,10}$/;
const GRPC_TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

const NO_BYTES = new Uint8Array(0);

/** Serves one path; `query` is that of a GET. */
export type RoutedHandler = (request: Request, query?: GetQuery) => Promise<Response>;

/** What there is to serve. */
export interface ServedMethods {
  readonly unary: readonly UnaryMethod[];
  readonly streams: readonly StreamMethod[];
}

/** What serving takes. */
export interface RoutingContext {
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  readonly bodies: BodyReader;
  /** Fires when the node stops: streams end. */
  readonly closing: AbortSignal;
}

/**
 * The general path to all methods.
 *
 * @returns handlers by path
 */
export function routedHandlers(
  { unary, streams }: ServedMethods,
  context: RoutingContext,
): ReadonlyMap<string, RoutedHandler> {
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: [GZIP],
    readMaxBytes: REQUEST_BYTES_MAX,
    requestGate: ({ values }) => {
      const refusal = values.get(REFUSAL);
      if (refusal !== undefined) throw refusal;
    },
  });
  for (const method of unary) router.rpc(method.desc, unaryImplementation(method, context));
  for (const method of streams) router.rpc(method.desc, streamImplementation(method, context));
  return new Map(router.handlers.map((handler) => [handler.requestPath, routed(handler, context)]));
}

function unaryImplementation(
  method: UnaryMethod,
  { requests }: RoutingContext,
): MethodImpl<UnaryMethod["desc"]> {
  return async (input, context) => {
    const call = { requests, method: method.name, startedMs: performance.now() };
    try {
      const options = callOptions(context.timeoutMs(), isDirect(context.requestHeader));
      const answer = await method.answerMessage(input, options);
      noteSuccess(call);
      return answer;
    } catch (error) {
      throw noteFailure(call, error);
    }
  };
}

/** A stream is told to the observer when it begins, or when it fails; how long it lasts says nothing. */
function streamImplementation(
  method: StreamMethod,
  { requests, closing }: RoutingContext,
): MethodImpl<StreamMethod["desc"]> {
  return async function* (input, context) {
    const call = { requests, method: method.desc.name, startedMs: performance.now() };
    let isNoted = false;
    try {
      for await (const message of method.answerMessages(input, context.signal)) {
        if (!isNoted) noteSuccess(call);
        isNoted = true;
        yield message;
      }
      if (!isNoted) noteSuccess(call);
    } catch (error) {
      const shown = closing.aborted ? stopping() : error;
      throw isNoted ? toConnectError(shown) : noteFailure(call, shown);
    }
  };
}

function stopping(): DomainError {
  return new DomainError(
    { kind: "unavailable" },
    "Cannot go on with the stream: the node is stopping: ask another node",
    "stopping",
  );
}

function routed(
  handler: UniversalHandler,
  { node, requests, bodies, closing }: RoutingContext,
): RoutedHandler {
  return async (request, query) => {
    const call = { requests, method: handler.method.name, startedMs: performance.now() };
    const values = createContextValues();
    let body = NO_BYTES;
    try {
      checkProtocolVersion(request.headers, query?.version);
      checkCluster(request.headers.get(CLUSTER_HEADER), node);
      if (query !== undefined) await checkQuery(query);
      if (request.body !== null) body = await bodies.read(request);
      await checkBody(handler.method, request.headers.get("content-type") ?? "", body);
    } catch (error) {
      values.set(REFUSAL, noteFailure(call, error));
    }
    const isStream = handler.method.methodKind === "server_streaming" && isStreamRequest(request);
    // A caller that leaves is noticed where its answer is written; `request.signal` would fire after every
    // answer.
    const end = createLinkedAbortController(isStream ? closing : undefined);
    const header = withinLongest(request.headers);
    const answer = handler({
      httpVersion: "",
      method: request.method,
      url: request.url,
      header: isStream ? uncompressed(header) : header,
      body: createAsyncIterable([body]),
      signal: end.signal,
      contextValues: values,
    });
    if (!isStream) return universalServerResponseToFetch(await answer);
    const type = request.headers.get("content-type") ?? "";
    return earlyResponse(answer, { type, onEnd: () => end.abort() });
  };
}

async function checkQuery(query: GetQuery): Promise<void> {
  const message = messageOf(query);
  if (query.encoding === "json") await checkJsonNumbers(message);
}

async function checkBody(desc: DescMethod, contentType: string, body: Uint8Array): Promise<void> {
  checkEnvelope(desc, contentType, body);
  if (!isJsonType(contentType)) return;
  await checkJsonNumbers(ENVELOPED.test(contentType) ? body.subarray(ENVELOPE_HEADER_BYTES) : body);
}

/** Whether the router will answer with status 200 and a stream, whatever comes of it. */
function isStreamRequest({ method, headers }: Request): boolean {
  return method === "POST" && ENVELOPED.test(headers.get("content-type") ?? "");
}

/** The headers of an early answer cannot name a compression, so none may be chosen. */
function uncompressed(headers: Headers): Headers {
  const plain = new Headers(headers);
  for (const name of ["connect-accept-encoding", "grpc-accept-encoding"]) plain.delete(name);
  return plain;
}

/** The router starts a timer for every deadline, and no timer reaches as far as a header can. */
function withinLongest(headers: Headers): Headers {
  const connect = headers.get("connect-timeout-ms") ?? "";
  const grpc = GRPC_TIMEOUT.exec(headers.get("grpc-timeout") ?? "");
  const connectMs = CONNECT_TIMEOUT.test(connect) ? Number(connect) : 0;
  const grpcMs = grpc === null ? 0 : Number(grpc[1]) * UNIT_MS[grpc[2]!]!;
  if (connectMs <= TIMEOUT_MS_MAX && grpcMs <= TIMEOUT_MS_MAX) return headers;
  const within = new Headers(headers);
  if (connectMs > TIMEOUT_MS_MAX) within.set("connect-timeout-ms", String(TIMEOUT_MS_MAX));
  if (grpcMs > TIMEOUT_MS_MAX) within.set("grpc-timeout", `${TIMEOUT_MS_MAX}m`);
  return within;
}

/**
 * Every method takes one message, so an enveloped body is one envelope. The router has other words, and calls
 * a message that it cannot decode an internal error though it is the caller's.
 *
 * @throws {DomainError} `invalidArgument`
 */
function checkEnvelope(desc: DescMethod, contentType: string, body: Uint8Array): void {
  if (!ENVELOPED.test(contentType)) return;
  const length = body.length - ENVELOPE_HEADER_BYTES;
  if (length < 0 || new DataView(body.buffer, body.byteOffset).getUint32(1) !== length) {
    throw invalidArgument(
      `Cannot read the request: its ${body.length} bytes are not one envelope: send one message, flags and ` +
        "length in front",
    );
  }
  const isCompressed = (body[0]! & 1) === 1;
  const isBinary = !contentType.toLowerCase().endsWith("json");
  if (isBinary && !isCompressed) decodeGenerated(desc.input, body.subarray(ENVELOPE_HEADER_BYTES));
}
