/**
 * How a case is told: a call and the answer it must have.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type JsonValue,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { ErrorInfoSchema, NotLeaderSchema } from "../../proto/mod.ts";
import type { Answer, ConformanceCall } from "./callers.ts";

/** One thing a node must do. */
export interface Case {
  readonly name: string;
  /** Made before the call; their answers do not matter. */
  readonly before?: readonly ConformanceCall[];
  readonly call: ConformanceCall;
  readonly answer: Answer;
}

/** A call with its types checked against the method. */
export function call<I extends DescMessage>(
  desc: ConformanceCall<I>["desc"],
  input: MessageInitShape<I>,
  headers = {},
): ConformanceCall {
  return { desc, input, headers } as unknown as ConformanceCall;
}

/** UTF-8. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The message of an answer, as JSON. */
export function ok(message: JsonValue): Answer {
  return { ok: true, message };
}

/** An error. */
export function refused(
  code: string,
  message: string,
  details: (Answer & { ok: false })["details"] = [],
): Answer {
  return { ok: false, code, message, details };
}

/** The error of a wrong argument. */
export function invalid(message: string): Answer {
  return refused("invalid_argument", message);
}

/** As bytes stand in JSON. */
export function base64(text: string): string {
  return base64Encode(bytes(text));
}

/** `ErrorInfo` as a detail. */
export function errorInfo(reason: string, currentVersion = 0n) {
  const message = create(ErrorInfoSchema, { reason, currentVersion });
  return { type: "prkdb.v1.ErrorInfo", value: base64Encode(toBinary(ErrorInfoSchema, message), "std_raw") };
}

/** `NotLeader` as a detail. */
export function notLeader(init: MessageInitShape<typeof NotLeaderSchema>) {
  const message = create(NotLeaderSchema, init);
  return { type: "prkdb.v1.NotLeader", value: base64Encode(toBinary(NotLeaderSchema, message), "std_raw") };
}
