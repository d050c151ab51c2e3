/**
 * Frames of HTTP/2 as a test writes and reads them: plainly, and with any mistake one likes.
 *
 * @module
 */

import { FrameFlag, FrameType, Http2Code } from "../../server/http/h2/frame.ts";
import { HpackDecoder } from "../../server/http/hpack/mod.ts";
import { encodeFields, fieldBytesMax } from "../../server/http/hpack/mod.ts";
import { concatBytes } from "./memory_channel.ts";

/** A field of a request. */
export type FieldPair = readonly [name: string, value: string];

/** What a test says of a frame; flags and stream are 0 unless given. */
export interface FrameText {
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly payload?: Uint8Array;
  /** Instead of that of the payload. */
  readonly length?: number;
}

/** The bytes of a frame. */
export function frameBytes({ type, flags = 0, stream = 0, payload, length }: FrameText): Uint8Array {
  const body = payload ?? new Uint8Array(0);
  const size = length ?? body.length;
  const bytes = new Uint8Array(9 + body.length);
  bytes.set([size >> 16, size >> 8, size, type, flags]);
  bytes.set(uint32(stream), 5);
  bytes.set(body, 9);
  return bytes;
}

export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The fields of an ordinary request, with some of them replaced or added. */
export function requestFields(method: string, ...more: readonly FieldPair[]): FieldPair[] {
  return [[":method", method], [":scheme", "http"], [":path", "/"], [":authority", "localhost"], ...more];
}

/** A header block of literals. */
export function headerBlock(fields: readonly FieldPair[]): Uint8Array {
  const block = new Uint8Array(fieldBytesMax(fields));
  return block.subarray(0, encodeFields(fields, block, 0));
}

/** HEADERS with END_HEADERS. */
export function headersFrame(stream: number, fields: readonly FieldPair[], isEnd = true): Uint8Array {
  const flags = FrameFlag.endHeaders | (isEnd ? FrameFlag.endStream : 0);
  return frameBytes({ type: FrameType.headers, flags, stream, payload: headerBlock(fields) });
}

/** DATA. */
export function dataFrame(stream: number, payload: Uint8Array, isEnd = false): Uint8Array {
  return frameBytes({ type: FrameType.data, flags: isEnd ? FrameFlag.endStream : 0, stream, payload });
}

export function settingsFrame(...pairs: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const payload = concatBytes(
    pairs.map(([id, value]) => concatBytes([Uint8Array.of(id >> 8, id), uint32(value)])),
  );
  return frameBytes({ type: FrameType.settings, payload });
}

export function windowUpdateFrame(stream: number, increment: number): Uint8Array {
  return frameBytes({ type: FrameType.windowUpdate, stream, payload: uint32(increment) });
}

export function resetFrame(stream: number, code: number = Http2Code.cancel): Uint8Array {
  return frameBytes({ type: FrameType.rstStream, stream, payload: uint32(code) });
}

export function pingFrame(flags = 0): Uint8Array {
  return frameBytes({ type: FrameType.ping, flags, payload: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
}

/** A frame of the server. */
export interface ServerFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Cuts what a server has written into frames; the rest is kept for the next call. */
export class ServerFrames {
  readonly #hpack = new HpackDecoder({ listBytesMax: 1_000_000 });
  #rest: Uint8Array = new Uint8Array(0);

  read(written: Uint8Array): ServerFrame[] {
    const bytes = concatBytes([this.#rest, written]);
    const frames: ServerFrame[] = [];
    let at = 0;
    while (bytes.length - at >= 9) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      if (bytes.length - at < 9 + length) break;
      const view = new DataView(bytes.buffer, at, 9);
      const payload = bytes.slice(at + 9, at + 9 + length);
      frames.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: view.getUint32(5), payload });
      at += 9 + length;
    }
    this.#rest = bytes.slice(at);
    return frames;
  }

  /**
   * One line for each frame: `HEADERS 1 200`, `DATA 1 5 END`, `RST_STREAM 1 PROTOCOL_ERROR`, `GOAWAY
   * NO_ERROR`, `PING ACK`. Header blocks must be described once each, in their order.
   */
  describe(frame: ServerFrame): string {
    const { type, flags, stream, payload } = frame;
    const view = new DataView(payload.buffer);
    const ack = (flags & FrameFlag.ack) !== 0 ? " ACK" : "";
    const end = (flags & FrameFlag.endStream) !== 0 ? " END" : "";
    switch (type) {
      case FrameType.headers: {
        const { fields } = this.#hpack.decode(payload);
        return `HEADERS ${stream} ${fields.map(({ value }) => value).join(" ")}${end}`;
      }
      case FrameType.data:
        return `DATA ${stream} ${payload.length}${end}`;
      case FrameType.rstStream:
        return `RST_STREAM ${stream} ${codeName(view.getUint32(0))}`;
      case FrameType.goAway:
        return `GOAWAY ${codeName(view.getUint32(4))}`;
      case FrameType.settings:
        return `SETTINGS${ack}`;
      case FrameType.ping:
        return `PING${ack}`;
      case FrameType.windowUpdate:
        return `WINDOW_UPDATE ${stream} ${view.getUint32(0)}`;
      default:
        return `type ${type}`;
    }
  }
}

function codeName(code: number): string {
  const [name] = Object.entries(Http2Code).find(([, value]) => value === code) ?? [String(code)];
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
