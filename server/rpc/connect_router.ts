/**
 * The general path: whatever is not a binary Connect unary call goes through the Connect router, which speaks
 * JSON, gRPC-Web in JSON and streams. The methods are those of the fast path (`fast_unary.ts`).
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
  type UniversalServerResponse,
  universalServerResponseToFetch,
} from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX, TIMEOUT_MS_MAX } from "../../proto/mod.ts";
import { type CallerPresence, invalidArgument } from "../api/mod.ts";
import type { ByteBudget } from "../http/mod.ts";
import { grpcTimeoutMs } from "../grpc/mod.ts";
import { checkProtocolVersion } from "./call_headers.ts";
import { type GetQuery, messageOf } from "./connect_get.ts";
import {
  AnswerLease,
  callOptions,
  checkCluster,
  CLUSTER_HEADER,
  type ClusterMember,
  decodeGenerated,
  earlyResponse,
  type ExchangeRoom,
  isDirect,
  noteFailure,
  noteSuccess,
  type RequestObserver,
  type ServedMethods,
  type StreamMethod,
  streamStopped,
  toConnectError,
  type UnaryMethod,
  withRoomToUnfold,
  withUnfolded,
} from "./method/mod.ts";
import { checkJsonNumbers, isJsonType } from "./json_numbers.ts";
import { type BodyReader, GZIP } from "./request_body.ts";
import { RequestCaller } from "./request_caller.ts";

/** Why a call is refused before its body is looked at. */
const REFUSAL = createContextKey<ConnectError | undefined>(undefined);

/** Who waits for the answer of a unary call, and the room for it. */
const CALLER = createContextKey<CallerPresence | undefined>(undefined);
const LEASE = createContextKey<AnswerLease | undefined>(undefined);

/** In front of each message of a stream, and of every gRPC-Web message: flags and length. */
const ENVELOPE_HEADER_BYTES = 5;
const ENVELOPED = /^application\/(connect\+(proto|json)|grpc-web(\+(proto|json))?)$/i;

const CONNECT_TIMEOUT = /^\d{1,10}$/;
/**
 * Bytes that an answer takes while it is made for each byte of its values: base64 in a text, the text in
 * bytes, and the bytes whole.
 */
export const GENERAL_FACTOR = 4;
const NO_BYTES = new Uint8Array(0);
/** Of answers that are not ended from this side. */
const NEVER = new AbortController().signal;

/** A call as the router is asked. */
export interface RouterCall {
  readonly httpMethod: string;
  readonly url: string;
  readonly headers: Headers;
  /** The whole body; may fail. */
  readonly body: () => Uint8Array | Promise<Uint8Array>;
  readonly caller: CallerPresence;
  readonly lease: AnswerLease;
  /** Of a GET. */
  readonly query?: GetQuery | undefined;
  /** Ends the answer. */
  readonly signal?: AbortSignal;
}

/** A method on the general path. */
export interface RoutedMethod {
  /** As in `Put`. */
  readonly name: string;
  /** As in `/prkdb.v1.KvService/Put`. */
  readonly path: string;
  /** Answers as the router does, failures included. */
  ask(call: RouterCall): Promise<UniversalServerResponse>;
  /** The same for a request of the web; `query` is that of a GET. */
  fetch(request: Request, query?: GetQuery): Promise<Response>;
}

/** What serving takes. */
export interface RoutingContext {
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  readonly bodies: BodyReader;
  readonly room: ExchangeRoom;
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
): ReadonlyMap<string, RoutedMethod> {
  const router = createConnectRouter({
    grpc: false,
    // A misspelt field of a text that a person wrote would be done without. In protobuf's binary form, which
    // programs of other versions speak, unknown fields are still passed over.
    jsonOptions: { ignoreUnknownFields: false },
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
      const options = callOptions({
        timeoutMs: context.timeoutMs(),
        direct: isDirect(context.requestHeader),
        caller: context.values.get(CALLER),
      });
      const lease = context.values.get(LEASE);
      const answer = await method.answerMessage(input, { ...options, lease });
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
      const shown = closing.aborted ? streamStopped() : error;
      throw isNoted ? toConnectError(shown) : noteFailure(call, shown);
    }
  };
}

function routed(handler: UniversalHandler, context: RoutingContext): RoutedMethod {
  const ask = (call: RouterCall) => askRouter(handler, context, call);
  return {
    name: handler.method.name,
    path: handler.requestPath,
    ask,
    fetch: async (request, query) => {
      const isStream = handler.method.methodKind === "server_streaming" && isStreamRequest(request);
      // A caller that leaves is noticed where its answer is written; `request.signal` would fire after every
      // answer.
      const end = createLinkedAbortController(isStream ? context.closing : undefined);
      const { headers, method: httpMethod, url } = request;
      const lease = new AnswerLease(context.room, GENERAL_FACTOR);
      const answer = ask({
        httpMethod,
        url,
        headers: isStream ? uncompressed(headers) : headers,
        body: () => request.body === null ? NO_BYTES : context.bodies.read(request),
        caller: new RequestCaller(request),
        lease,
        query,
        signal: end.signal,
      });
      if (!isStream) {
        return await answer.then(universalServerResponseToFetch).finally(() => lease.release());
      }
      const type = headers.get("content-type") ?? "";
      return earlyResponse(answer, { type, onEnd: () => end.abort() });
    },
  };
}

async function askRouter(
  handler: UniversalHandler,
  { node, requests, room }: RoutingContext,
  { httpMethod, url, headers, body, caller, lease, query, signal = NEVER }: RouterCall,
): Promise<UniversalServerResponse> {
  const call = { requests, method: handler.method.name, startedMs: performance.now() };
  const contextValues = createContextValues().set(CALLER, caller).set(LEASE, lease);
  const ask = (sent: SentBody) =>
    handler({
      httpVersion: "",
      method: httpMethod,
      url,
      header: withinLongest(sent.headers),
      body: createAsyncIterable([sent.bytes]),
      signal,
      contextValues,
    });
  // The router would unfold and read what it is given, refused or not.
  const refuse = (error: unknown) => {
    contextValues.set(REFUSAL, noteFailure(call, error));
    return ask({ headers, bytes: NO_BYTES });
  };
  let hasBegun = false;
  try {
    checkProtocolVersion(headers, query?.version);
    checkCluster(headers.get(CLUSTER_HEADER), node);
    return await withPlainBody(
      { headers, bytes: await body() },
      { bodies: room.bodies, query },
      async (plain) => {
        if (query !== undefined) await checkQuery(query);
        await checkBody(handler.method, plain);
        hasBegun = true;
        return await ask(plain);
      },
    );
  } catch (error) {
    if (hasBegun) throw error;
    return await refuse(error);
  }
}

/** A body, and what its headers say of it. */
interface SentBody {
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Where what unfolds has room, and what a GET has in its place. */
interface UnfoldingPlace {
  readonly bodies: ByteBudget;
  readonly query: GetQuery | undefined;
}

/** Hands the body on as it is without compression; room for what unfolds is held until `use` has ended. */
async function withPlainBody<Result>(
  sent: SentBody,
  { bodies, query }: UnfoldingPlace,
  use: (plain: SentBody) => Promise<Result>,
): Promise<Result> {
  if (query?.compression === "gzip") {
    return await withRoomToUnfold(messageOf(query), bodies, () => use(sent));
  }
  const { headers, bytes } = sent;
  if (!ENVELOPED.test(headers.get("content-type") ?? "")) {
    if (headers.get("content-encoding") !== "gzip") return await use(sent);
    const plainHeaders = new Headers(headers);
    for (const name of ["content-encoding", "content-length"]) plainHeaders.delete(name);
    return await withUnfolded(bytes, bodies, (plain) => use({ headers: plainHeaders, bytes: plain }));
  }
  const encoding = headers.get("connect-content-encoding") ?? headers.get("grpc-encoding");
  const isFolded = bytes.length > ENVELOPE_HEADER_BYTES && (bytes[0]! & 1) === 1;
  if (!isFolded || encoding !== "gzip") return await use(sent);
  const folded = bytes.subarray(ENVELOPE_HEADER_BYTES);
  return await withUnfolded(folded, bodies, (plain) => use({ headers, bytes: envelopeOf(plain) }));
}

function envelopeOf(message: Uint8Array): Uint8Array {
  const envelope = new Uint8Array(ENVELOPE_HEADER_BYTES + message.length);
  new DataView(envelope.buffer).setUint32(1, message.length);
  envelope.set(message, ENVELOPE_HEADER_BYTES);
  return envelope;
}

async function checkQuery(query: GetQuery): Promise<void> {
  const message = messageOf(query);
  if (query.encoding === "json") await checkJsonNumbers(message);
}

async function checkBody(desc: DescMethod, { headers, bytes: body }: SentBody): Promise<void> {
  const contentType = headers.get("content-type") ?? "";
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
  const connectMs = CONNECT_TIMEOUT.test(connect) ? Number(connect) : 0;
  const grpcMs = grpcTimeoutMs(headers.get("grpc-timeout") ?? "") ?? 0;
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
