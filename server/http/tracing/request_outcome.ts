/**
 * How a request ended, read from its answer as its caller reads it: the status of HTTP, and behind it that of
 * the remote call, which each protocol has in a place of its own.
 *
 * | protocol        | where the call's status is                                                          |
 * | --------------- | ----------------------------------------------------------------------------------- |
 * | gRPC            | `grpc-status` among the trailers, or among the headers of an answer without a body  |
 * | gRPC-Web        | `grpc-status` in the last envelope, whose flags have the bit 0x80, or among headers |
 * | the same, text  | the same, each chunk of the body in base64                                          |
 * | Connect, unary  | `code` in a body of JSON, if the status of HTTP is not 200                          |
 * | Connect, stream | `error.code` in the last envelope, whose flags have the bit 0x02                    |
 *
 * @module
 */

import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HeaderPairs, RequestLabel } from "../mod.ts";
import { LastEnvelope } from "./last_envelope.ts";

/** What conventions call a call whose caller has left; Connect itself spells it with one `l`. */
export const CANCELLED = "cancelled";
const GRPC_CANCELLED = 1;
const CONNECT_CANCELLED = "canceled";
const STATUS_OK = 200;
/** More of a body than any error has is not kept. */
const KEPT_BYTES_MAX = 65_536;
const END_STREAM_FLAG = 0x02;
const TRAILERS_FLAG = 0x80;

/** How a request ended. What is not known of it is missing. */
export interface RequestOutcome {
  /** Of HTTP; missing if no answer has begun. */
  readonly status?: number;
  /** Of a call by gRPC or gRPC-Web. */
  readonly grpcStatus?: number;
  /** Of a call by Connect, if it failed. */
  readonly connectCode?: string;
  /** The answer is not complete, and its caller is not the reason. */
  readonly isBrokenOff?: boolean;
}

/** Follows one answer. */
export class OutcomeReader {
  readonly #protocol: RequestLabel["protocol"];
  #status: number | undefined;
  #grpcStatus: number | undefined;
  #envelope: LastEnvelope | undefined;
  #isText = false;
  #body: Uint8Array[] | undefined;
  #bodyBytes = 0;

  constructor({ protocol }: RequestLabel) {
    this.#protocol = protocol;
  }

  head(status: number, headers: HeaderPairs): void {
    this.#status = status;
    if (this.#protocol === undefined) return;
    if (this.#protocol !== "connect") {
      this.#readGrpcStatus(headers);
      if (this.#protocol !== "grpcWeb") return;
      this.#envelope = new LastEnvelope(TRAILERS_FLAG, KEPT_BYTES_MAX);
      this.#isText = hasType(headers, "application/grpc-web-text");
    } else if (status !== STATUS_OK) {
      this.#body = [];
    } else if (hasType(headers, "application/connect+")) {
      this.#envelope = new LastEnvelope(END_STREAM_FLAG, KEPT_BYTES_MAX);
    }
  }

  /** The next bytes of the body, which are not changed afterwards. */
  bytes(bytes: Uint8Array): void {
    this.#envelope?.push(this.#isText ? fromBase64(bytes) : bytes);
    if (this.#body === undefined) return;
    this.#bodyBytes += bytes.length;
    if (this.#bodyBytes <= KEPT_BYTES_MAX) this.#body.push(bytes);
  }

  /** The answer is complete. */
  end(trailers: HeaderPairs = []): RequestOutcome {
    if (this.#protocol === "grpc") this.#readGrpcStatus(trailers);
    const last = this.#envelope?.content;
    if (last !== undefined && this.#protocol === "grpcWeb") this.#readGrpcStatus(fieldsIn(textOf([last])));
    return this.#outcome({ connectCode: this.#connectCode(last) });
  }

  /** The caller has left before that. */
  left(): RequestOutcome {
    if (this.#protocol === undefined) return this.#outcome();
    if (this.#protocol === "connect") return this.#outcome({ connectCode: CANCELLED });
    this.#grpcStatus = GRPC_CANCELLED;
    return this.#outcome();
  }

  /** The answer breaks off. */
  broken(): RequestOutcome {
    return this.#outcome({ isBrokenOff: true });
  }

  #outcome({ connectCode, isBrokenOff }: {
    readonly connectCode?: string | undefined;
    readonly isBrokenOff?: boolean;
  } = {}): RequestOutcome {
    return {
      ...(this.#status === undefined ? {} : { status: this.#status }),
      ...(this.#grpcStatus === undefined ? {} : { grpcStatus: this.#grpcStatus }),
      ...(connectCode === undefined ? {} : { connectCode }),
      ...(isBrokenOff === undefined ? {} : { isBrokenOff }),
    };
  }

  #readGrpcStatus(fields: HeaderPairs): void {
    const value = fields.find(([name]) => name === "grpc-status")?.[1];
    if (value !== undefined && /^\d{1,3}$/.test(value)) this.#grpcStatus = Number(value);
  }

  #connectCode(last: Uint8Array | undefined): string | undefined {
    const isWhole = this.#body !== undefined && this.#bodyBytes <= KEPT_BYTES_MAX;
    if (isWhole) return codeOf(parsed(textOf(this.#body!)));
    if (last === undefined || this.#protocol !== "connect") return undefined;
    const end = parsed(textOf([last]));
    return isObject(end) ? codeOf(end["error"]) : undefined;
  }
}

function hasType(headers: HeaderPairs, start: string): boolean {
  return headers.some(([name, value]) => name === "content-type" && value.startsWith(start));
}

/** Of a chunk that is padded by itself. Nothing, if it is not: then it is none of this node's. */
function fromBase64(chunk: Uint8Array): Uint8Array {
  try {
    return base64Decode(textOf([chunk]));
  } catch {
    return new Uint8Array(0);
  }
}

function textOf(pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}

/** Lines of `name: value`, as gRPC-Web has its trailers. */
function fieldsIn(text: string): HeaderPairs {
  return text.split("\r\n").map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // Not an error of Connect: the answer of something else.
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  if (!isObject(error) || typeof error["code"] !== "string") return undefined;
  return error["code"] === CONNECT_CANCELLED ? CANCELLED : error["code"];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
