/**
 * Frames to bytes. All frames that one event causes become one write: they are put together in a buffer that
 * all connections share, and what is written is an exact copy of that, so that a slow reader holds what waits
 * for it and nothing else.
 *
 * @module
 */

import { type ByteChannel, cutBytes, type HeaderPairs } from "../mod.ts";
import {
  encodeFields,
  encodeStatus,
  fieldBytesMax,
  STATUS_BYTES_MAX,
  TABLE_SIZE_ZERO,
} from "../hpack/mod.ts";
import { FRAME_BYTES_DEFAULT, FRAME_HEAD_BYTES, FrameFlag, FrameType, type Http2CodeValue } from "./frame.ts";

const BUFFER_BYTES = 65_536;

const buffer = new Uint8Array(BUFFER_BYTES);
/** Whose frames are in the buffer. */
let owner: FrameWriter | undefined;

/** A header block and the stream it is for. */
interface HeaderBlock {
  readonly streamId: number;
  /** `undefined` in trailers. */
  readonly status?: number;
  readonly fields: HeaderPairs;
  readonly isEnd: boolean;
}

/** DATA of a stream: all of `bytes`, which fit in one frame. */
interface DataBlock {
  readonly streamId: number;
  readonly bytes: Uint8Array;
  readonly isEnd: boolean;
}

/** Where a frame goes. */
interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly length: number;
}

/** See the module comment. Nothing goes out before {@linkcode flush}. */
export class FrameWriter {
  readonly #channel: ByteChannel;
  #at = 0;
  #hasSaidTableSize = false;
  /** All that was handed to the channel. */
  writtenBytes = 0;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
  }

  /** Bytes that wait for {@linkcode flush}. */
  get bufferedBytes(): number {
    return this.#at;
  }

  /** Bytes that wait for {@linkcode flush} or for the operating system. */
  get pendingBytes(): number {
    return this.#at + this.#channel.pendingBytes;
  }

  /** @param pairs identifiers and their values */
  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    this.#head({ type: FrameType.settings, flags: 0, streamId: 0, length: pairs.length * 6 });
    for (const [id, value] of pairs) {
      buffer[this.#at++] = id >> 8;
      buffer[this.#at++] = id;
      this.#uint32(value);
    }
  }

  settingsAck(): void {
    this.#head({ type: FrameType.settings, flags: FrameFlag.ack, streamId: 0, length: 0 });
  }

  /** @param opaque eight bytes */
  ping(opaque: Uint8Array, isAck: boolean): void {
    const flags = isAck ? FrameFlag.ack : 0;
    this.#head({ type: FrameType.ping, flags, streamId: 0, length: opaque.length });
    this.#bytes(opaque);
  }

  /** @param reason for people who read traces; ASCII */
  goAway(lastStreamId: number, code: Http2CodeValue, reason: string): void {
    this.#head({ type: FrameType.goAway, flags: 0, streamId: 0, length: 8 + reason.length });
    this.#uint32(lastStreamId);
    this.#uint32(code);
    for (let at = 0; at < reason.length; at++) buffer[this.#at++] = reason.charCodeAt(at);
  }

  rstStream(streamId: number, code: Http2CodeValue): void {
    this.#head({ type: FrameType.rstStream, flags: 0, streamId, length: 4 });
    this.#uint32(code);
  }

  /** @param streamId 0 for the connection */
  windowUpdate(streamId: number, increment: number): void {
    this.#head({ type: FrameType.windowUpdate, flags: 0, streamId, length: 4 });
    this.#uint32(increment);
  }

  data({ streamId, bytes, isEnd }: DataBlock): void {
    const flags = isEnd ? FrameFlag.endStream : 0;
    this.#head({ type: FrameType.data, flags, streamId, length: bytes.length });
    this.#bytes(bytes);
  }

  /** HEADERS, and CONTINUATION if the block is larger than a frame. */
  headers(headers: HeaderBlock): void {
    const { streamId, fields, isEnd } = headers;
    const room = FRAME_HEAD_BYTES + STATUS_BYTES_MAX + fieldBytesMax(fields);
    if (room > FRAME_HEAD_BYTES + FRAME_BYTES_DEFAULT) {
      const block = new Uint8Array(room);
      const end = this.#encode(headers, block, 0);
      return this.#splitHeaders(streamId, block.subarray(0, end), isEnd);
    }
    this.#reserve(room);
    const start = this.#at + FRAME_HEAD_BYTES;
    const end = this.#encode(headers, buffer, start);
    const flags = isEnd ? FrameFlag.endHeaders | FrameFlag.endStream : FrameFlag.endHeaders;
    this.#head({ type: FrameType.headers, flags, streamId, length: end - start });
    this.#at = end;
  }

  flush(): void {
    if (owner === this) owner = undefined;
    if (this.#at === 0) return;
    const bytes = cutBytes(this.#at);
    bytes.set(buffer.subarray(0, this.#at));
    this.#at = 0;
    this.writtenBytes += bytes.length;
    this.#channel.write(bytes);
  }

  #encode({ status, fields }: HeaderBlock, target: Uint8Array, at: number): number {
    if (!this.#hasSaidTableSize) {
      this.#hasSaidTableSize = true;
      target[at++] = TABLE_SIZE_ZERO;
    }
    if (status !== undefined) at = encodeStatus(status, target, at);
    return encodeFields(fields, target, at);
  }

  #splitHeaders(streamId: number, block: Uint8Array, isEnd: boolean): void {
    for (let at = 0; at < block.length || at === 0; at += FRAME_BYTES_DEFAULT) {
      const part = block.subarray(at, at + FRAME_BYTES_DEFAULT);
      const isLast = at + FRAME_BYTES_DEFAULT >= block.length;
      const ending = (isLast ? FrameFlag.endHeaders : 0) | (isEnd && at === 0 ? FrameFlag.endStream : 0);
      const type = at === 0 ? FrameType.headers : FrameType.continuation;
      this.#head({ type, flags: ending, streamId, length: part.length });
      this.#bytes(part);
    }
  }

  /** Takes the buffer, and makes room in it for a frame's head and payload. */
  #reserve(bytes: number): void {
    if (owner !== this) {
      owner?.flush();
      owner = this;
    }
    if (this.#at + bytes <= BUFFER_BYTES) return;
    this.flush();
    owner = this;
  }

  #head({ type, flags, streamId, length }: FrameHead): void {
    this.#reserve(FRAME_HEAD_BYTES + length);
    const at = this.#at;
    buffer[at] = length >> 16;
    buffer[at + 1] = length >> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    this.#at = at + 5;
    this.#uint32(streamId);
  }

  #bytes(bytes: Uint8Array): void {
    buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #uint32(value: number): void {
    buffer[this.#at++] = value >>> 24;
    buffer[this.#at++] = value >>> 16;
    buffer[this.#at++] = value >>> 8;
    buffer[this.#at++] = value;
  }
}
