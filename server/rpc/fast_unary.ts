/**
 * The fast path: binary Connect unary calls, POST and GET, from bytes to bytes without streams, interceptors
 * and copies of headers. It answers exactly as the general path does; `tests/conformance/` holds both to
 * that.
 *
 * @module
 */

import type { ConnectError } from "@connectrpc/connect";
import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { DomainError } from "../api/mod.ts";
import type {
  BodyRefusal,
  ByteBudget,
  Caller,
  HeaderPairs,
  RequestHead,
  WholeAnswer,
  WholeHandler,
} from "../http/mod.ts";
import { checkProtocolVersion, readCallOptions } from "./call_headers.ts";
import { type GetQuery, messageOf } from "./connect_get.ts";
import {
  AnswerLease,
  bodyRefused,
  checkCluster,
  CLUSTER_HEADER,
  type ClusterMember,
  type ExchangeRoom,
  noteFailure,
  noteSuccess,
  type RequestObserver,
  toErrorAnswer,
  type UnaryMethod,
  withUnfolded,
} from "./method/mod.ts";

/** Frozen: what they look like on the wire is worked out once. */
const POST_HEADERS: HeaderPairs = Object.freeze([["content-type", "application/proto"] as const]);
/** Reads are to be read again: an answer that a cache keeps would not be linearizable. */
const GET_HEADERS: HeaderPairs = Object.freeze(
  [["content-type", "application/proto"], ["cache-control", "no-store"]] as const,
);
const ERROR_HEADERS: HeaderPairs = Object.freeze([["content-type", "application/json"] as const]);

/** What answering a method takes. */
export interface FastContext {
  readonly method: UnaryMethod;
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  readonly room: ExchangeRoom;
}

/** One call, as its protocol's rules have read it. */
interface FastCall {
  readonly head: RequestHead;
  readonly caller: Caller;
  readonly version?: string;
  readonly answerHeaders: HeaderPairs;
  /** The bytes of the message, folded as `encoding` says. */
  readonly message: () => Uint8Array;
  /** Empty for none. */
  readonly encoding: string;
}

/** Answers POSTs whose content type is `application/proto`. */
export function postHandler(context: FastContext): WholeHandler {
  return {
    kind: "whole",
    label: { route: context.method.path, protocol: "connect" },
    bodyLimitBytes: REQUEST_BYTES_MAX,
    answer: (head, body, caller) =>
      answerCall(context, {
        head,
        caller,
        answerHeaders: POST_HEADERS,
        message: () => body,
        encoding: head.headers.get("content-encoding") ?? "",
      }),
    refuse: (head, refusal) => answerError(context, bodyRefusedOf(head, refusal)),
  };
}

/** Answers a GET whose query says `encoding=proto`. */
export function getHandler(context: FastContext, query: GetQuery): WholeHandler {
  return {
    kind: "whole",
    label: { route: context.method.path, protocol: "connect" },
    bodyLimitBytes: REQUEST_BYTES_MAX,
    answer: (head, _, caller) =>
      answerCall(context, {
        head,
        caller,
        version: query.version,
        answerHeaders: GET_HEADERS,
        message: () => messageOf(query),
        encoding: query.compression,
      }),
    refuse: (head, refusal) => answerError(context, bodyRefusedOf(head, refusal)),
  };
}

async function answerCall(context: FastContext, call: FastCall): Promise<WholeAnswer> {
  const { method, node, requests, room } = context;
  const { answerHeaders, caller, encoding, head, message, version } = call;
  const startedMs = performance.now();
  const lease = new AnswerLease(room, 1);
  try {
    const { headers } = head;
    checkProtocolVersion(headers, version);
    checkCluster(headers.get(CLUSTER_HEADER), node);
    const options = { ...readCallOptions(headers, caller), lease };
    const answer = (bytes: Uint8Array) => method.answerBytes(bytes, options);
    const body = await (encoding === ""
      ? answer(message())
      : unfolded(message(), { encoding, bodies: room.bodies, answer }));
    noteSuccess({ requests, method: method.name, startedMs });
    return { status: 200, headers: answerHeaders, body };
  } catch (error) {
    return answerError(context, error, startedMs);
  } finally {
    lease.release();
  }
}

/** @param startedMs since when the call is under way */
function answerError(
  { method, requests }: FastContext,
  error: unknown,
  startedMs = performance.now(),
): WholeAnswer {
  return errorAnswer(noteFailure({ requests, method: method.name, startedMs }, error));
}

function bodyRefusedOf({ headers }: RequestHead, refusal: BodyRefusal): DomainError {
  return bodyRefused(refusal, headers.get("content-length"));
}

/** An error as Connect's unary calls carry it: JSON, whatever the encoding of the request was. */
export function errorAnswer(error: ConnectError): WholeAnswer {
  const { status, body } = toErrorAnswer(error);
  return { status, headers: ERROR_HEADERS, body };
}

/** The same, for the general path. */
export function errorResponse(error: ConnectError): Response {
  const { status, body } = toErrorAnswer(error);
  return new Response(body, { status, headers: [["content-type", "application/json"]] });
}

/** How the answer to a folded message is made. */
interface Unfolding {
  readonly encoding: string;
  readonly bodies: ByteBudget;
  readonly answer: (bytes: Uint8Array) => Promise<Uint8Array>;
}

async function unfolded(bytes: Uint8Array, { encoding, bodies, answer }: Unfolding): Promise<Uint8Array> {
  switch (encoding) {
    case "identity":
      return await answer(bytes);
    case "gzip":
      return await withUnfolded(bytes, bodies, answer);
    default:
      throw new DomainError(
        { kind: "unimplemented" },
        `unknown compression "${encoding}": supported encodings are gzip`,
      );
  }
}
