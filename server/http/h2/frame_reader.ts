/**
 * Chunks to frames, however the chunks are cut (RFC 9113, section 4.1), and frames without their padding.
 *
 * A frame that lies in one chunk is a view into it. One that does not is copied, once, into bytes of its own,
 * and only as it comes: a length that is announced takes at most {@linkcode FRAME_BYTES_DEFAULT} bytes.
 *
 * @module
 */

import { type ByteBudget, HTTP2_PREFACE } from "../mod.ts";
import {
  type Frame,
  FRAME_BYTES_DEFAULT,
  FRAME_HEAD_BYTES,
  FrameFlag,
  FrameType,
  Http2Code,
  Http2Error,
  readUint31,
} from "./frame.ts";

/** Frames of one header block. Ordinary clients need one, and fill each if there are more. */
const BLOCK_FRAMES_MAX = 64;

/** See the module comment. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  #prefaceRead = 0;
  /** A frame that is not there as a whole, its head first; grows to its full size when that is known. */
  #partial = new Uint8Array(FRAME_HEAD_BYTES);
  #partialRead = 0;

  /** @param onFrame takes each frame as soon as it is complete, before what follows is looked at */
  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame;
  }

  /**
   * Reads what came next; the chunk must not be written to afterwards.
   *
   * @throws {Http2Error} when this is no HTTP/2 or a frame is longer than was allowed
   */
  push(chunk: Uint8Array): void {
    let at = this.#prefaceRead < HTTP2_PREFACE.length ? this.#readPreface(chunk) : 0;
    if (this.#partialRead > 0) at = this.#completePartial(chunk, at);
    while (chunk.length - at >= FRAME_HEAD_BYTES) {
      const end = at + FRAME_HEAD_BYTES + payloadLength(chunk, at);
      if (end > chunk.length) break;
      this.#deliver(chunk, at, end);
      at = end;
    }
    while (at < chunk.length) at = this.#keep(chunk, at);
  }

  #readPreface(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && this.#prefaceRead < HTTP2_PREFACE.length) {
      if (chunk[at++] !== HTTP2_PREFACE.charCodeAt(this.#prefaceRead++)) {
        throw new Http2Error(Http2Code.protocolError, "this is not the connection preface of HTTP/2");
      }
    }
    return at;
  }

  #completePartial(chunk: Uint8Array, at: number): number {
    while (at < chunk.length && this.#partialRead > 0) at = this.#keep(chunk, at);
    return at;
  }

  /** Takes as much of the chunk as the frame under way lacks; hands the frame out when it is complete. */
  #keep(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#partial.length - this.#partialRead, chunk.length - at);
    this.#partial.set(chunk.subarray(at, at + taken), this.#partialRead);
    this.#partialRead += taken;
    if (this.#partialRead === this.#partial.length) this.#grow();
    return at + taken;
  }

  #grow(): void {
    const partial = this.#partial;
    const size = FRAME_HEAD_BYTES + payloadLength(partial, 0);
    if (partial.length < size) {
      this.#partial = new Uint8Array(size);
      this.#partial.set(partial);
      return;
    }
    this.#partial = new Uint8Array(FRAME_HEAD_BYTES);
    this.#partialRead = 0;
    this.#deliver(partial, 0, size);
  }

  #deliver(bytes: Uint8Array, start: number, end: number): void {
    this.#onFrame({
      type: bytes[start + 3]!,
      flags: bytes[start + 4]!,
      streamId: readUint31(bytes, start + 5),
      payload: bytes.subarray(start + FRAME_HEAD_BYTES, end),
    });
  }
}

function payloadLength(bytes: Uint8Array, at: number): number {
  const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  if (length <= FRAME_BYTES_DEFAULT) return length;
  throw new Http2Error(
    Http2Code.frameSizeError,
    `a frame has ${length} bytes: at most ${FRAME_BYTES_DEFAULT}, send smaller ones`,
  );
}

/**
 * What is left of the payload of DATA or HEADERS without its padding (RFC 9113, section 6.1).
 *
 * @throws {Http2Error} when the padding is as long as the payload or longer
 */
export function withoutPadding({ flags, payload }: Frame): Uint8Array {
  if ((flags & FrameFlag.padded) === 0) return payload;
  const padding = payload[0] ?? payload.length;
  if (padding < payload.length) return payload.subarray(1, payload.length - padding);
  throw new Http2Error(Http2Code.protocolError, "the padding is longer than its frame");
}

/** Where frames of header blocks are put together. */
export interface BlockJoinerOptions {
  /** Bytes of a block, still compressed. */
  readonly blockBytesMax: number;
  /** What parts of a block take while the rest has not come. */
  readonly budget: ByteBudget;
}

/** Joins HEADERS and the CONTINUATION frames behind it (RFC 9113, section 6.10). */
export class BlockJoiner {
  readonly #options: BlockJoinerOptions;
  #open: Frame | undefined;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(options: BlockJoinerOptions) {
    this.#options = options;
  }

  /** A block has begun and not ended. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Takes any frame.
   *
   * @returns a HEADERS frame that holds its whole block, any other frame as it is, or `undefined` while a
   *   block is incomplete
   * @throws {Http2Error} when something else stands within a block, or the block has too many bytes or frames
   */
  join(frame: Frame): Frame | undefined {
    if (this.#open === undefined) {
      if (frame.type === FrameType.continuation) {
        throw new Http2Error(Http2Code.protocolError, "CONTINUATION without HEADERS");
      }
      if (frame.type !== FrameType.headers || hasEnded(frame)) return frame;
      // Padding is at the end of HEADERS, not of the block.
      this.#open = { ...frame, flags: frame.flags & ~FrameFlag.padded, payload: withoutPadding(frame) };
      return this.#add(this.#open.payload);
    }
    if (frame.type !== FrameType.continuation || frame.streamId !== this.#open.streamId) {
      throw new Http2Error(Http2Code.protocolError, "a frame stands within a header block");
    }
    this.#add(frame.payload);
    return hasEnded(frame) ? this.#finish(this.#open) : undefined;
  }

  /** The connection is over: gives back what an incomplete block has taken. */
  close(): void {
    this.#options.budget.release(this.#bytes);
    this.#bytes = 0;
  }

  #add(payload: Uint8Array): undefined {
    const { blockBytesMax, budget } = this.#options;
    if (this.#bytes + payload.length > blockBytesMax || this.#parts.length === BLOCK_FRAMES_MAX) {
      throw new Http2Error(
        Http2Code.enhanceYourCalm,
        `a header block has more than ${blockBytesMax} bytes or ${BLOCK_FRAMES_MAX} frames: send less`,
      );
    }
    if (!budget.take(payload.length)) {
      throw new Http2Error(
        Http2Code.enhanceYourCalm,
        "there is no room for a head in parts: try again later",
      );
    }
    this.#bytes += payload.length;
    // A copy: the chunk must not be held for as long as the client likes.
    this.#parts.push(payload.slice());
    return undefined;
  }

  #finish(open: Frame): Frame {
    const payload = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      payload.set(part, at);
      at += part.length;
    }
    this.#open = undefined;
    this.#parts = [];
    this.close();
    return { ...open, payload };
  }
}

function hasEnded({ flags }: Frame): boolean {
  return (flags & FrameFlag.endHeaders) !== 0;
}
