/**
 * What a connection has read and not used yet: heads and pieces of bodies are taken out of it in order.
 *
 * @module
 */

import type { HttpContext, RequestHead } from "../mod.ts";
import { HeadReader } from "./head_reader.ts";
import { InputBuffer } from "./input_buffer.ts";
import { BodyDecoder, type HeadFault } from "./message/mod.ts";

/**
 * With less than this unused, reading goes on while a handler works: the end of the input tells that its
 * caller has gone.
 */
const HELD_BYTES_MAX = 8_192;

/** See the module comment. */
export class RequestInput {
  readonly #buffer = new InputBuffer();
  readonly #heads: HeadReader;
  #body = new BodyDecoder(0);

  constructor(scheme: RequestHead["scheme"], context: HttpContext) {
    this.#heads = new HeadReader(this.#buffer, scheme, context);
  }

  get isEmpty(): boolean {
    return this.#buffer.isEmpty;
  }

  /** Whether more may be read before some of it is used. Part of a head has its bound in its reader. */
  get hasRoom(): boolean {
    return this.#buffer.restBytes < HELD_BYTES_MAX || this.#heads.isPartial;
  }

  /** Whether a head has begun and needs more bytes. */
  get isHeadPartial(): boolean {
    return this.#heads.isPartial;
  }

  /** Why the rest of the body cannot be understood. */
  get bodyFault(): HeadFault | undefined {
    return this.#body.fault;
  }

  /** Whether all pieces of the body were taken. */
  get isBodyComplete(): boolean {
    return this.#body.isComplete;
  }

  /** Whether the rest of the body is known to be here. */
  get isBodyHere(): boolean {
    return this.#body.isCompletedBy(this.#buffer.restBytes);
  }

  /** Whether the body is known to be incomplete if nothing more comes. */
  get isBodyBroken(): boolean {
    const { isEmpty, restBytes } = this.#buffer;
    return !this.#body.isComplete && (isEmpty || this.#body.lacksMoreThan(restBytes));
  }

  /** Adds what came next. */
  add(bytes: Uint8Array): void {
    this.#buffer.add(bytes);
  }

  /** See {@linkcode HeadReader.next}. */
  nextHead(): ReturnType<HeadReader["next"]> {
    return this.#heads.next();
  }

  /** See {@linkcode HeadReader.origin}. */
  refusedOrigin(): string | null {
    return this.#heads.origin();
  }

  /** A body of so many bytes follows, `undefined` if it comes in chunks. */
  beginBody(bodyBytes: number | undefined): void {
    this.#body = new BodyDecoder(bodyBytes);
  }

  /** A piece of the body, as a view; `undefined` when it is complete, faulty, or more bytes are needed. */
  nextPiece(): Uint8Array | undefined {
    const piece = this.#body.next(this.#buffer.bytes, this.#buffer.at);
    this.#buffer.moveTo(this.#body.at);
    return piece;
  }

  /** Throws away what is held, and says how many bytes that were. No further head is read. */
  clear(): number {
    const { restBytes } = this.#buffer;
    this.#buffer.clear();
    this.#heads.release();
    return restBytes;
  }
}
