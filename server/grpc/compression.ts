/**
 * Which messages are compressed, and with what: gzip or nothing, in both directions.
 *
 * A request's message unfolds only within the limit of requests, and only after room for it was taken from
 * the node's budget for bodies: its last bytes say how much it needs. An answer's message is compressed when
 * its caller compresses, too: many clients accept gzip in every call without wishing for it, and between
 * machines that are near each other it costs more time than it saves.
 *
 * Source: gRPC over HTTP/2, "Message-Encoding" and "Message-Accept-Encoding".
 *
 * @module
 */

import { DomainError, invalidArgument } from "../api/mod.ts";
import type { ByteBudget } from "../http/mod.ts";
import { type CallHeaders, compress, withUnfolded } from "../rpc/method/mod.ts";
import { type FramedMessage, frameMessage } from "./framing.ts";

/** What is smaller gains nothing that a packet would notice. */
const COMPRESSED_BYTES_MIN = 1_024;
/** In every answer. */
export const ACCEPTED_ENCODINGS = "gzip,identity";

/** What a call's headers say about compression. */
export interface Compression {
  /** Whether messages of the request may be compressed. */
  readonly isRequestGzip: boolean;
  /** Whether those of the answer may be. */
  readonly isAnswerGzip: boolean;
}

const PLAIN: Compression = { isRequestGzip: false, isAnswerGzip: false };

/**
 * What a call's headers say.
 *
 * @throws {DomainError} `unimplemented` for a compression that a node does not know
 */
export function readCompression(headers: CallHeaders): Compression {
  const encoding = headers.get("grpc-encoding");
  if (encoding === null || encoding === "identity") return PLAIN;
  if (encoding !== "gzip") {
    throw new DomainError(
      { kind: "unimplemented" },
      `unknown compression "${encoding}": supported encodings are gzip`,
    );
  }
  const accepted = headers.get("grpc-accept-encoding") ?? "";
  const isAnswerGzip = accepted.split(",").some((each) => each.trim() === "gzip");
  return { isRequestGzip: true, isAnswerGzip };
}

/** What unfolding takes. */
export interface UnfoldingContext {
  readonly compression: Compression;
  readonly bodies: ByteBudget;
}

/**
 * Hands the plain bytes of `message` to `use`; room for those that unfold is held until that has ended.
 *
 * @throws {DomainError} `invalidArgument` for what is not gzip or too large, `overloaded` when there is no
 *   room; and what `use` throws
 */
export async function withMessage<Result>(
  message: FramedMessage,
  { compression, bodies }: UnfoldingContext,
  use: (bytes: Uint8Array) => Promise<Result>,
): Promise<Result> {
  if (!message.isCompressed) return await use(message.bytes);
  if (!compression.isRequestGzip) {
    throw invalidArgument(
      "Cannot read the request: a message is marked as compressed, and no compression is named: " +
        "send grpc-encoding: gzip, or do not compress",
    );
  }
  return await withUnfolded(message.bytes, bodies, use);
}

/** A message of an answer, framed; compressed where that is wished for and makes it smaller. */
export function foldAnswer(
  bytes: Uint8Array,
  { isAnswerGzip }: Compression,
): Uint8Array | Promise<Uint8Array> {
  if (!isAnswerGzip || bytes.length < COMPRESSED_BYTES_MIN) {
    return frameMessage({ isCompressed: false, bytes });
  }
  return foldWorthwhile(bytes);
}

async function foldWorthwhile(bytes: Uint8Array): Promise<Uint8Array> {
  const folded = await compress(bytes);
  const isWorthIt = folded.length < bytes.length;
  return frameMessage({ isCompressed: isWorthIt, bytes: isWorthIt ? folded : bytes });
}
