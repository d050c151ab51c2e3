/**
 * Reads the answer to a `Deliver` call while it grows: the head of an HTTP/1.1 response, its chunks, and the
 * envelopes in them. The counterpart of the request that `link.ts` writes.
 *
 * ```
 * HTTP/1.1 200 OK\r\n … Transfer-Encoding: chunked\r\n\r\n │ 7\r\n envelope \r\n │ … │ 0\r\n
 * ```
 *
 * @module
 */

import { decodeAnswer, type StreamAnswer } from "./answer_codec.ts";
import { EnvelopeReader } from "./envelope.ts";

/** No node's head is longer. */
const HEAD_BYTES_MAX = 16 * 1024;
/** A line that begins a chunk is never longer. */
const CHUNK_LINE_BYTES_MAX = 64;
/** More than any refusal takes. */
const MESSAGE_BYTES_MAX = 16 * 1024;

const CR = 13;
const LF = 10;
/** Behind the bytes of each chunk. */
const CHUNK_END_BYTES = 2;

/** What the next byte belongs to. */
type Place = "head" | "chunk line" | "chunk" | "chunk end" | "over";

/** See the module comment. */
export class AnswerReader {
  readonly #envelopes = new EnvelopeReader(MESSAGE_BYTES_MAX);
  #place: Place = "head";
  /** The head, or the line that is not complete. */
  #text = "";
  /** Bytes of the current chunk, or of its end, that are still to come. */
  #missing = 0;

  /**
   * The messages that `bytes` complete. The bytes are kept where a message is not complete.
   *
   * @throws {RangeError} when the peer does not answer as a node does
   */
  *read(bytes: Uint8Array): Generator<StreamAnswer> {
    for (let at = 0; at < bytes.length && this.#place !== "over";) {
      switch (this.#place) {
        case "head":
          at = this.#readHead(bytes, at);
          break;
        case "chunk line":
          at = this.#readChunkLine(bytes, at);
          break;
        case "chunk end":
          at = this.#pass(bytes, at, "chunk line");
          break;
        case "chunk": {
          const start = at;
          at = this.#pass(bytes, at, "chunk end");
          for (const { isEnd, message } of this.#envelopes.read(bytes.subarray(start, at))) {
            yield decodeAnswer(message, isEnd);
          }
        }
      }
    }
  }

  #readHead(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      this.#text += String.fromCharCode(bytes[at]!);
      if (bytes[at] === LF && this.#text.endsWith("\r\n\r\n")) {
        checkHead(this.#text);
        this.#begin("chunk line");
        return at + 1;
      }
      if (this.#text.length > HEAD_BYTES_MAX) {
        throw new RangeError(`it answers with a head of more than ${HEAD_BYTES_MAX} bytes`);
      }
    }
    return bytes.length;
  }

  #readChunkLine(bytes: Uint8Array, start: number): number {
    for (let at = start; at < bytes.length; at++) {
      if (bytes[at] === LF) {
        const size = Number.parseInt(this.#text, 16);
        if (!(size >= 0)) throw new RangeError(`it answers with a chunk of "${this.#text}" bytes`);
        this.#begin(size === 0 ? "over" : "chunk");
        this.#missing = size;
        return at + 1;
      }
      if (bytes[at] !== CR) this.#text += String.fromCharCode(bytes[at]!);
      if (this.#text.length > CHUNK_LINE_BYTES_MAX) {
        throw new RangeError("it answers with an endless chunk line");
      }
    }
    return bytes.length;
  }

  /** Passes over what is missing; `next` begins where nothing is any more. */
  #pass(bytes: Uint8Array, at: number, next: Place): number {
    const count = Math.min(this.#missing, bytes.length - at);
    this.#missing -= count;
    if (this.#missing === 0) this.#begin(next);
    return at + count;
  }

  #begin(place: Place): void {
    this.#place = place;
    this.#text = "";
    if (place === "chunk end") this.#missing = CHUNK_END_BYTES;
  }
}

function checkHead(head: string): void {
  const statusLine = head.slice(0, head.indexOf("\r\n"));
  if (!/^HTTP\/1\.1 200 /.test(statusLine)) throw new RangeError(`it answers ${statusLine}`);
  if (/\r\ntransfer-encoding: *chunked\r\n/i.test(head)) return;
  throw new RangeError("it answers without chunks, as a node does not");
}
