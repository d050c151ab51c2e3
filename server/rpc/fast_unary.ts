/**
 * The fast path: binary Connect unary calls, POST and GET, from bytes to bytes without streams, interceptors
 * and copies of headers. It answers exactly as the general path does; `tests/conformance/` holds both to
 * that.
 *
 * @module
 */

import type { ConnectError } from "@connectrpc/connect";
import { DomainError } from "../api/mod.ts";
import {
  checkCluster,
  checkProtocolVersion,
  CLUSTER_HEADER,
  type ClusterMember,
  readCallOptions,
} from "./call_headers.ts";
import { type GetQuery, messageOf } from "./connect_get.ts";
import { toErrorAnswer, type UnaryMethod } from "./method/mod.ts";
import { type BodyReader, decompress } from "./request_body.ts";
import { noteFailure, noteSuccess, type RequestObserver } from "./request_observer.ts";

/** Lists of pairs are the form of headers that is cheapest to turn into a response. */
const POST_INIT: ResponseInit = { headers: [["content-type", "application/proto"]] };
/** Reads are to be read again: an answer that a cache keeps would not be linearizable. */
const GET_INIT: ResponseInit = {
  headers: [["content-type", "application/proto"], ["cache-control", "no-store"]],
};

/** What answering a POST takes. */
export interface PostContext {
  readonly method: UnaryMethod;
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  readonly bodies: BodyReader;
}

/** What answering a GET takes. */
export interface GetContext {
  readonly method: UnaryMethod;
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  readonly query: GetQuery;
}

/** Answers a POST whose content type is `application/proto`. Never rejects. */
export async function servePost(
  { method, node, requests, bodies }: PostContext,
  request: Request,
): Promise<Response> {
  const startedMs = performance.now();
  try {
    const { headers } = request;
    checkProtocolVersion(headers);
    checkCluster(headers.get(CLUSTER_HEADER), node);
    const encoding = headers.get("content-encoding");
    const options = readCallOptions(headers);
    const body = await bodies.read(request);
    const bytes = encoding === null ? body : await unfold(body, encoding);
    const answer = await method.answerBytes(bytes, options);
    noteSuccess({ requests, method: method.name, startedMs });
    return new Response(answer, POST_INIT);
  } catch (error) {
    return errorResponse(noteFailure({ requests, method: method.name, startedMs }, error));
  }
}

/** Answers a GET whose query says `encoding=proto`. Never rejects. */
export async function serveGet(
  { method, node, requests, query }: GetContext,
  request: Request,
): Promise<Response> {
  const startedMs = performance.now();
  try {
    checkProtocolVersion(request.headers, query.version);
    checkCluster(request.headers.get(CLUSTER_HEADER), node);
    const options = readCallOptions(request.headers);
    const message = messageOf(query);
    const bytes = query.compression === "" ? message : await unfold(message, query.compression);
    const answer = await method.answerBytes(bytes, options);
    noteSuccess({ requests, method: method.name, startedMs });
    return new Response(answer, GET_INIT);
  } catch (error) {
    return errorResponse(noteFailure({ requests, method: method.name, startedMs }, error));
  }
}

/** An error as Connect's unary calls carry it: JSON, whatever the encoding of the request was. */
export function errorResponse(error: ConnectError): Response {
  const { status, body } = toErrorAnswer(error);
  return new Response(body, { status, headers: [["content-type", "application/json"]] });
}

async function unfold(bytes: Uint8Array, encoding: string): Promise<Uint8Array> {
  switch (encoding) {
    case "identity":
      return bytes;
    case "gzip":
      return await decompress(bytes);
    default:
      throw new DomainError(
        { kind: "unimplemented" },
        `unknown compression "${encoding}": supported encodings are gzip`,
      );
  }
}
