/**
 * The general path: whatever is not a binary Connect unary call goes through the Connect router, which speaks JSON,
 * gRPC-Web and streams. The methods are those of the lean path.
 *
 * The body is read here, within its limit, before the router sees it; a refusal is handed to the router, so that the
 * caller reads it in the protocol it speaks.
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
  type UniversalHandler,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { ClusterService, KvService, REQUEST_BYTES_MAX, TIMEOUT_MS_MAX } from "../../proto/mod.ts";
import { invalidArgument } from "../error.ts";
import { checkProtocolVersion, isDirect } from "./call_headers.ts";
import { type GetQuery, messageOf } from "./connect_get.ts";
import { type BodyReader, GZIP } from "./request_body.ts";
import { noteFailure, noteSuccess, type RequestObserver } from "./request_observer.ts";
import { callOptions, decodeGenerated, notServed, type UnaryMethod } from "./unary.ts";

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

/**
 * The general path to `methods`, and to the streaming methods of the same services.
 *
 * @returns handlers by path
 */
export function routedHandlers(
  methods: readonly UnaryMethod[],
  { requests, bodies }: { readonly requests: RequestObserver; readonly bodies: BodyReader },
): ReadonlyMap<string, RoutedHandler> {
  const router = createConnectRouter({
    grpc: false,
    acceptCompression: [GZIP],
    readMaxBytes: REQUEST_BYTES_MAX,
    requestGate: (context) => {
      const refusal = context.values.get(REFUSAL);
      if (refusal !== undefined) throw refusal;
    },
  });
  for (const method of methods) router.rpc(method.desc, unaryImplementation(method, requests));
  for (const desc of STREAMING_METHODS) {
    // deno-lint-ignore require-yield -- A stream that fails before its first message.
    router.rpc(desc, async function* () {
      throw noteFailure({ requests, method: desc.name, startedMs: performance.now() }, notServed(desc.name));
    });
  }
  return new Map(
    router.handlers.map((handler) => [handler.requestPath, routed(handler, { requests, bodies })]),
  );
}

const STREAMING_METHODS = [KvService.method.scan, KvService.method.watch, ClusterService.method.watchChanges];

function unaryImplementation(
  method: UnaryMethod,
  requests: RequestObserver,
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

function routed(
  handler: UniversalHandler,
  { requests, bodies }: { readonly requests: RequestObserver; readonly bodies: BodyReader },
): RoutedHandler {
  return async (request, query) => {
    const call = { requests, method: handler.method.name, startedMs: performance.now() };
    const values = createContextValues();
    let body = NO_BYTES;
    try {
      checkProtocolVersion(request.headers, query?.version);
      if (query !== undefined) messageOf(query);
      if (request.body !== null) body = await bodies.read(request);
      checkEnvelope(handler.method, request.headers.get("content-type") ?? "", body);
    } catch (error) {
      values.set(REFUSAL, noteFailure(call, error));
    }
    const response = await handler({
      httpVersion: "",
      method: request.method,
      url: request.url,
      header: withinLongest(request.headers),
      body: createAsyncIterable([body]),
      // A caller that leaves is noticed where its answer is written; `request.signal` would fire after every answer.
      signal: new AbortController().signal,
      contextValues: values,
    });
    return universalServerResponseToFetch(response);
  };
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
 * Every method takes one message, so an enveloped body is one envelope. The router has other words, and calls a
 * message that it cannot decode an internal error though it is the caller's.
 *
 * @throws {DomainError} `invalidArgument`
 */
function checkEnvelope(desc: DescMethod, contentType: string, body: Uint8Array): void {
  if (!ENVELOPED.test(contentType)) return;
  const length = body.length - ENVELOPE_HEADER_BYTES;
  if (length < 0 || new DataView(body.buffer, body.byteOffset).getUint32(1) !== length) {
    throw invalidArgument(
      `Cannot read the request: it must be one envelope, it is ${body.length} other bytes`,
    );
  }
  const isCompressed = (body[0]! & 1) === 1;
  const isBinary = !contentType.toLowerCase().endsWith("json");
  if (isBinary && !isCompressed) decodeGenerated(desc.input, body.subarray(ENVELOPE_HEADER_BYTES));
}
