/**
 * Messages as gRPC puts them into the body of a request or an answer: a flag and a length in front of each.
 *
 * ```
 * byte 0        1 … 4                  5 …
 * compressed?   length, big-endian     the message, or what it was compressed to
 * ```
 *
 * Chunks of a body end anywhere, so the reader keeps what is left of one for the next, copied: what it is
 * given may be a view of something larger. A length is judged as soon as it is there, before its message is.
 *
 * Source: gRPC over HTTP/2, "Length-Prefixed-Message".
 *
 * @module
 */

import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { cutBytes, joinChunks } from "../http/mod.ts";
import { invalidArgument } from "../api/mod.ts";
import { requestTooLarge } from "../rpc/method/mod.ts";

/** Bytes in front of a message. */
export const PREFIX_BYTES = 5;
const COMPRESSED = 1;

/** A message as it came. */
export interface FramedMessage {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

/** `bytes` behind their prefix. */
export function frameMessage({ isCompressed, bytes }: FramedMessage): Uint8Array<ArrayBuffer> {
  return framed(isCompressed ? COMPRESSED : 0, bytes);
}

/** `bytes` behind a prefix with `flags`. */
export function framed(flags: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  const envelope = cutBytes(PREFIX_BYTES + length);
  envelope[0] = flags;
  envelope[1] = length >>> 24;
  envelope[2] = length >>> 16;
  envelope[3] = length >>> 8;
  envelope[4] = length;
  envelope.set(bytes, PREFIX_BYTES);
  return envelope;
}

/**
 * The one message of a unary call's body; a view of `body`.
 *
 * @throws {DomainError} `invalidArgument` when there is not exactly one
 */
export function onlyMessage(body: Uint8Array): FramedMessage {
  if (body.length >= PREFIX_BYTES) {
    const { isCompressed, length } = readPrefix(body);
    if (PREFIX_BYTES + length === body.length) return { isCompressed, bytes: body.subarray(PREFIX_BYTES) };
  }
  throw invalidArgument(
    `Cannot read the request: its ${body.length} bytes are not one envelope: send one message, flags and ` +
      "length in front",
  );
}

/** How long a body of one message is that begins with `start`; `undefined` while that cannot be told. */
export function framedLength(start: Uint8Array): number | undefined {
  return start.length < PREFIX_BYTES ? undefined : PREFIX_BYTES + readLength(start);
}

/** Finds the messages in a body that comes in chunks. */
export class MessageReader {
  /** What is not a whole message yet. */
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Bytes that must be there before there is anything new to find out. */
  #wanted = PREFIX_BYTES;

  /** Bytes of a message that has begun and is not complete. */
  get heldBytes(): number {
    return this.#held;
  }

  /**
   * Takes the next chunk.
   *
   * @returns the messages that are complete with it; they own their bytes
   * @throws {DomainError} `invalidArgument` for a message that is too large or has unknown flags
   */
  push(chunk: Uint8Array): readonly FramedMessage[] {
    this.#chunks.push(chunk.slice());
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return [];
    const joined = joinChunks(this.#chunks, this.#held);
    const found: FramedMessage[] = [];
    let at = 0;
    this.#wanted = PREFIX_BYTES;
    while (joined.length - at >= PREFIX_BYTES) {
      const { isCompressed, length } = readPrefix(joined.subarray(at));
      this.#wanted = PREFIX_BYTES + length;
      if (joined.length - at < this.#wanted) break;
      found.push({ isCompressed, bytes: joined.subarray(at + PREFIX_BYTES, at + this.#wanted) });
      at += this.#wanted;
      this.#wanted = PREFIX_BYTES;
    }
    this.#chunks = at < joined.length ? [at === 0 ? joined : joined.slice(at)] : [];
    this.#held = joined.length - at;
    return found;
  }
}

function readPrefix(bytes: Uint8Array): { readonly isCompressed: boolean; readonly length: number } {
  const flags = bytes[0]!;
  if (flags > COMPRESSED) {
    throw invalidArgument(
      `Cannot read the request: a message has the flags ${flags}: 0 stands for plain, 1 for compressed`,
    );
  }
  const length = readLength(bytes);
  if (length > REQUEST_BYTES_MAX) throw requestTooLarge(`a message has ${length} bytes`);
  return { isCompressed: flags === COMPRESSED, length };
}

function readLength(bytes: Uint8Array): number {
  return (bytes[1]! << 24 | bytes[2]! << 16 | bytes[3]! << 8 | bytes[4]!) >>> 0;
}
