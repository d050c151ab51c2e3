/**
 * Which requests are gRPC or gRPC-Web, and how the answers to unary ones are put into HTTP. gRPC ends with
 * trailers; gRPC-Web, which is for callers who cannot read any, has the same fields in a last envelope of the
 * body.
 *
 * ```
 * gRPC       headers ─ message ─ trailers          or, refused: headers with the status, nothing else
 * gRPC-Web   headers ─ message ─ 0x80, length, "grpc-status: 0␍␊"      or the last envelope alone
 * ```
 *
 * Source: gRPC over HTTP/2, "Content-Type" and "Responses"; gRPC Web, "Protocol differences vs gRPC over
 * HTTP2".
 *
 * @module
 */

import type { ConnectError } from "@connectrpc/connect";
import { type HeaderPairs, joinChunks, type RequestHead, type WholeAnswer } from "../http/mod.ts";
import { ACCEPTED_ENCODINGS } from "./compression.ts";
import { framed } from "./framing.ts";
import { grpcStatusOf, STATUS_OK } from "./status.ts";

const GRPC = /^application\/grpc *(\+|;|$)/i;
const PROTO = /^application\/grpc *(\+proto *)?(;.*)?$/i;
const DEFAULT_TYPE = "application/grpc";
const PROTO_TYPE = "application/grpc+proto";

const NO_BYTES = new Uint8Array(0);
const TRAILERS_FLAG = 0x80;
const WEB_TYPE = "application/grpc-web+proto";
/** The type of binary messages that is served without looking closer, and its short form. */
const WEB_TYPES: ReadonlySet<string | null> = new Set([WEB_TYPE, "application/grpc-web"]);

const WEB_HEADERS: HeaderPairs = Object.freeze(
  [["content-type", WEB_TYPE] as const, ["grpc-accept-encoding", ACCEPTED_ENCODINGS] as const],
);
/** How every call ends that succeeds. */
const OK_ENVELOPE = trailersEnvelope(STATUS_OK).slice();
const WEB_GZIP_HEADERS: HeaderPairs = Object.freeze([...WEB_HEADERS, ["grpc-encoding", "gzip"] as const]);

/** The content types that are served. */
export const GRPC_TYPES: readonly string[] = [DEFAULT_TYPE, PROTO_TYPE];

/** Whether a request is gRPC, of whatever codec; gRPC-Web is not. */
export function isGrpc({ headers }: RequestHead): boolean {
  return GRPC.test(headers.get("content-type") ?? "");
}

/** Whether its messages are protobuf's binary ones. */
export function isGrpcProto(contentType: string): boolean {
  return contentType === DEFAULT_TYPE || contentType === PROTO_TYPE || PROTO.test(contentType);
}

const HEADERS: Readonly<Record<string, HeaderPairs>> = Object.fromEntries(
  GRPC_TYPES.map((type) => [type, opening(type)]),
);
const GZIP_HEADERS: Readonly<Record<string, HeaderPairs>> = Object.fromEntries(
  GRPC_TYPES.map((type) => [type, [...opening(type), ["grpc-encoding", "gzip"]] as const]),
);

function opening(type: string): HeaderPairs {
  return [["content-type", type], ["grpc-accept-encoding", ACCEPTED_ENCODINGS]];
}

/**
 * The fields that an answer opens with: a content type is answered as it was asked.
 *
 * @param isGzip whether messages of the answer may be compressed
 */
export function answerHeaders({ headers }: RequestHead, isGzip = false): HeaderPairs {
  const type = headers.get("content-type") === PROTO_TYPE ? PROTO_TYPE : DEFAULT_TYPE;
  return (isGzip ? GZIP_HEADERS : HEADERS)[type]!;
}

/** One of the two. */
export interface AnswerForm {
  readonly protocol: "grpc" | "grpcWeb";
  /** How often an answer is in memory while it is made. */
  readonly copies: number;
  /** @param message framed */
  done(head: RequestHead, message: Uint8Array, isGzip: boolean): WholeAnswer;
  failed(head: RequestHead, error: ConnectError): WholeAnswer;
}

/** With trailers; the status of what is refused stands among the headers. */
export const GRPC_FORM: AnswerForm = {
  protocol: "grpc",
  copies: 1,
  done: (head, body, isGzip) => ({
    status: 200,
    headers: answerHeaders(head, isGzip),
    body,
    trailers: STATUS_OK,
  }),
  failed: (head, error) => ({
    status: 200,
    headers: [...answerHeaders(head), ...grpcStatusOf(error)],
    body: NO_BYTES,
  }),
};

/** With a last envelope. */
export const WEB_FORM: AnswerForm = {
  protocol: "grpcWeb",
  copies: 2,
  done: (_, message, isGzip) => ({
    status: 200,
    headers: isGzip ? WEB_GZIP_HEADERS : WEB_HEADERS,
    body: joinChunks([message, OK_ENVELOPE], message.length + OK_ENVELOPE.length),
  }),
  failed: (_, error) => ({ status: 200, headers: WEB_HEADERS, body: trailersEnvelope(grpcStatusOf(error)) }),
};

/** Whether a call is gRPC-Web with binary messages, in the forms in which clients say so. */
export function isWebProto(contentType: string | null): boolean {
  return WEB_TYPES.has(contentType);
}

function trailersEnvelope(fields: HeaderPairs): Uint8Array {
  // Values are percent-encoded or base64.
  const text = new TextEncoder().encode(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(""));
  return framed(TRAILERS_FLAG, text);
}
