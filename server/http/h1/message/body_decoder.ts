/**
 * Finds the pieces of a body in the bytes of a connection: so many bytes, or chunks until one of size 0 (RFC
 * 9112, section 7.1). Extensions of chunks and trailer fields are passed over, within bounds; nobody here
 * wants them, and they must not be a way to keep a node busy for ever. Lines that are no trailer fields are
 * refused all the same: another reader of the connection may take them for the next request.
 *
 * @module
 */

import { badRequest, type HeadFault } from "./head_fault.ts";
import { isTokenByte, isValueByte } from "./syntax.ts";

/** Bytes of all extensions of a body, and of all its trailer fields. */
export const CHUNK_EXTRA_BYTES_MAX = 16_384;
/** Longer sizes are no safe integers. */
const SIZE_DIGITS_MAX = 13;

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const SEMICOLON = 0x3b;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

const BAD_SIZE = badRequest("the size of a chunk must be 1 to 13 hexadecimal digits, and CR LF behind them");
const BAD_CHUNK_END = badRequest("there must be CR LF behind the bytes of a chunk");
const BAD_EXTRA = badRequest("extensions of chunks and trailer fields must not hold control characters");
const BAD_TRAILER = badRequest(
  "the name of a trailer field must be a token, with the colon right behind it",
);
const TOO_MUCH_EXTRA = badRequest(
  `extensions of chunks and trailer fields may have ${CHUNK_EXTRA_BYTES_MAX} bytes`,
);

/** What comes next. */
type Expected =
  | "size"
  | "semicolon"
  | "extension"
  | "sizeEnd"
  | "bytes"
  | "chunkEnd"
  | "chunkEndFeed"
  | "trailerStart"
  | "trailerName"
  | "trailerValue"
  | "trailerFeed"
  | "lastFeed";

/** See the module comment. One for a body. */
export class BodyDecoder {
  readonly #isChunked: boolean;
  #expected: Expected;
  /** Bytes of the piece, or of the whole body if it is not in chunks, that have not come. */
  #remaining: number;
  #sizeDigits = 0;
  #extraBytes = 0;
  #isComplete: boolean;
  #fault: HeadFault | undefined;
  #at = 0;

  /** @param bodyBytes of the body, `undefined` if it comes in chunks */
  constructor(bodyBytes: number | undefined) {
    this.#isChunked = bodyBytes === undefined;
    this.#remaining = bodyBytes ?? 0;
    this.#isComplete = bodyBytes === 0;
    this.#expected = this.#isChunked ? "size" : "bytes";
  }

  /** Whether the body has come as a whole. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether the body is known to be complete when so many more bytes have come. */
  isCompletedBy(bytes: number): boolean {
    return this.#isComplete || (!this.#isChunked && this.#remaining <= bytes);
  }

  /** Whether the body is known to be incomplete when so many more bytes have come. */
  lacksMoreThan(bytes: number): boolean {
    return !this.#isComplete && !this.#isChunked && this.#remaining > bytes;
  }

  /** Why the rest cannot be understood; then {@linkcode next} finds nothing any more. */
  get fault(): HeadFault | undefined {
    return this.#fault;
  }

  /** Where {@linkcode next} stopped: behind the piece, behind the body, or at the end of what was there. */
  get at(): number {
    return this.#at;
  }

  /**
   * The next piece of the body in `bytes` from `start` on, as a view, never an empty one.
   *
   * @returns `undefined` when the body is complete, faulty, or more bytes are needed
   */
  next(bytes: Uint8Array, start: number): Uint8Array | undefined {
    this.#at = start;
    while (this.#at < bytes.length && !this.#isComplete && this.#fault === undefined) {
      if (this.#expected === "bytes") return this.#takePiece(bytes);
      this.#takeByte(bytes[this.#at++]!);
    }
    return undefined;
  }

  #takePiece(bytes: Uint8Array): Uint8Array {
    const end = Math.min(bytes.length, this.#at + this.#remaining);
    const piece = bytes.subarray(this.#at, end);
    this.#at = end;
    this.#remaining -= piece.length;
    if (this.#remaining === 0) {
      if (this.#isChunked) this.#expected = "chunkEnd";
      else this.#isComplete = true;
    }
    return piece;
  }

  #takeByte(byte: number): void {
    switch (this.#expected) {
      case "size":
        return this.#takeSize(byte);
      case "semicolon":
        return this.#takeBeforeExtension(byte);
      case "extension":
        if (byte === CARRIAGE_RETURN) this.#expected = "sizeEnd";
        else this.#passOver(byte);
        return;
      case "sizeEnd":
        return byte === LINE_FEED ? this.#beginChunk() : this.#refuse(BAD_SIZE);
      case "chunkEnd":
        if (byte !== CARRIAGE_RETURN) return this.#refuse(BAD_CHUNK_END);
        this.#expected = "chunkEndFeed";
        return;
      case "chunkEndFeed":
        if (byte !== LINE_FEED) return this.#refuse(BAD_CHUNK_END);
        this.#sizeDigits = 0;
        this.#expected = "size";
        return;
      case "trailerStart":
      case "trailerName":
        return this.#takeTrailerName(byte);
      case "trailerValue":
        if (byte === CARRIAGE_RETURN) this.#expected = "trailerFeed";
        else this.#passOver(byte);
        return;
      case "trailerFeed":
        if (byte !== LINE_FEED) return this.#refuse(BAD_EXTRA);
        this.#expected = "trailerStart";
        return;
      case "lastFeed":
        if (byte !== LINE_FEED) return this.#refuse(BAD_EXTRA);
        this.#isComplete = true;
        return;
      case "bytes":
        return;
    }
  }

  #takeSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.#sizeDigits > SIZE_DIGITS_MAX) return this.#refuse(BAD_SIZE);
      this.#remaining = this.#remaining * 16 + digit;
      return;
    }
    if (this.#sizeDigits === 0) return this.#refuse(BAD_SIZE);
    if (byte === CARRIAGE_RETURN) this.#expected = "sizeEnd";
    else this.#takeBeforeExtension(byte);
  }

  /** RFC 9110, section 5.6.3: white space before an extension is bad, and must be read all the same. */
  #takeBeforeExtension(byte: number): void {
    if (byte === SEMICOLON) this.#expected = "extension";
    else if (byte !== SPACE && byte !== TAB) return this.#refuse(BAD_SIZE);
    else this.#expected = "semicolon";
    this.#passOver(byte);
  }

  #beginChunk(): void {
    this.#expected = this.#remaining === 0 ? "trailerStart" : "bytes";
  }

  #takeTrailerName(byte: number): void {
    const isStart = this.#expected === "trailerStart";
    if (isStart && byte === CARRIAGE_RETURN) {
      this.#expected = "lastFeed";
      return;
    }
    if (!isStart && byte === COLON) this.#expected = "trailerValue";
    else if (!isTokenByte(byte)) return this.#refuse(BAD_TRAILER);
    else this.#expected = "trailerName";
    this.#passOver(byte);
  }

  #passOver(byte: number): void {
    if (!isValueByte(byte)) this.#refuse(BAD_EXTRA);
    else if (++this.#extraBytes > CHUNK_EXTRA_BYTES_MAX) this.#refuse(TOO_MUCH_EXTRA);
  }

  #refuse(fault: HeadFault): void {
    this.#fault = fault;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
