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
import { ClusterService, KvService, REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { checkProtocolVersion, isDirect } from "./call_headers.ts";
import { GZIP, readBody } from "./request_body.ts";
import { noteFailure, noteSuccess, type RequestObserver } from "./request_observer.ts";
import { callOptions, decodeGenerated, notServed, type UnaryMethod } from "./unary.ts";

/** Why a call is refused before its body is looked at. */
const REFUSAL = createContextKey<ConnectError | undefined>(undefined);

/** In front of each message of a stream, and of every gRPC-Web message: flags and length. */
const ENVELOPE_HEADER_BYTES = 5;
const ENVELOPED_BINARY = /^application\/(connect\+proto|grpc-web(\+proto)?)$/i;

const NO_BYTES = new Uint8Array(0);

/** Serves one path. */
export type RoutedHandler = (request: Request) => Promise<Response>;

/**
 * The general path to `methods`, and to the streaming methods of the same services.
 *
 * @returns handlers by path
 */
export function routedHandlers(
  methods: readonly UnaryMethod[],
  requests: RequestObserver,
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
  return new Map(router.handlers.map((handler) => [handler.requestPath, routed(handler, requests)]));
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

function routed(handler: UniversalHandler, requests: RequestObserver): RoutedHandler {
  return async (request) => {
    const call = { requests, method: handler.method.name, startedMs: performance.now() };
    const values = createContextValues();
    let body: Uint8Array = NO_BYTES;
    try {
      checkProtocolVersion(request.headers);
      if (request.body !== null) body = await readBody(request);
      checkMessage(handler.method, request.headers.get("content-type") ?? "", body);
    } catch (error) {
      values.set(REFUSAL, noteFailure(call, error));
    }
    const response = await handler({
      httpVersion: "",
      method: request.method,
      url: request.url,
      header: request.headers,
      body: createAsyncIterable([body]),
      // A caller that leaves is noticed where its answer is written; `request.signal` would fire after every answer.
      signal: new AbortController().signal,
      contextValues: values,
    });
    return universalServerResponseToFetch(response);
  };
}

/**
 * The router calls an undecodable binary message an internal error. It is the caller's, so it is looked for here.
 *
 * @throws {DomainError} `invalidArgument`
 */
function checkMessage(desc: DescMethod, contentType: string, body: Uint8Array): void {
  if (!ENVELOPED_BINARY.test(contentType) || body.length < ENVELOPE_HEADER_BYTES) return;
  const isCompressed = (body[0]! & 1) === 1;
  if (!isCompressed) decodeGenerated(desc.input, body.subarray(ENVELOPE_HEADER_BYTES));
}
