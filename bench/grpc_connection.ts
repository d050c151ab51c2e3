/**
 * A load generator's gRPC connection: unary calls over HTTP/2 without TLS, written and read by hand. It does
 * the least that a client must do, so that what is measured is the server; and it is the same for every
 * server.
 *
 * @module
 */

import { FrameFlag, FrameType, SettingId } from "../server/http/h2/frame.ts";
import { encodeFields, fieldBytesMax, HpackDecoder } from "../server/http/hpack/mod.ts";
import { joinChunks } from "../server/http/mod.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PREFACE = encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** The stream of frames that concern the whole connection. */
const CONNECTION = 0;
const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);
const FRAME_HEAD_BYTES = 9;
/** A flag of compression, and the length. */
const MESSAGE_HEAD_BYTES = 5;
/** What may be sent in one frame, and ahead of any WINDOW_UPDATE (RFC 9113, sections 4.2 and 6.9.2). */
const FRAME_BYTES_MAX = 16_384;
const WINDOW_DEFAULT = 65_535;
/** Answers are never held up by this side. */
const WINDOW_WANTED = 2 ** 30;
const READ_BYTES = 65_536;
const OUTPUT_BYTES = 16_384;
/** Where in the head of a frame the number of its stream stands (RFC 9113, section 4.1). */
const STREAM_ID_AT = 5;
const HEADER_LIST_BYTES_MAX = 65_536;

/** A call, ready to be sent as often as one likes. */
export interface PreparedCall {
  /** HEADERS, and DATA as often as it takes, without the number of their stream. */
  readonly frames: Uint8Array;
  /** Where each frame begins. */
  readonly starts: readonly number[];
  /** What counts against the window. */
  readonly bodyBytes: number;
}

/** Prepares a call. @param path as in `/prkdb.v1.KvService/Put` @param authority `host:port` */
export function prepareCall(path: string, authority: string, message: Uint8Array): PreparedCall {
  const pairs = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ] as const;
  const block = new Uint8Array(fieldBytesMax(pairs));
  const fields = block.subarray(0, encodeFields(pairs, block, 0));
  const body = new Uint8Array(MESSAGE_HEAD_BYTES + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, MESSAGE_HEAD_BYTES);
  const frames = [frame(CONNECTION, { type: FrameType.headers, flags: FrameFlag.endHeaders }, fields)];
  for (let at = 0; at < body.length; at += FRAME_BYTES_MAX) {
    const isLast = at + FRAME_BYTES_MAX >= body.length;
    const part = body.subarray(at, at + FRAME_BYTES_MAX);
    frames.push(frame(CONNECTION, { type: FrameType.data, flags: isLast ? FrameFlag.endStream : 0 }, part));
  }
  let end = 0;
  const starts = frames.map(({ length }) => (end += length) - length);
  return { frames: joinChunks(frames, end), starts, bodyBytes: body.length };
}

interface PendingCall {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  status: string | undefined;
}

/** See the module comment. */
export class GrpcConnection {
  readonly #connection: Deno.TcpConn;
  readonly #hpack = new HpackDecoder({ listBytesMax: HEADER_LIST_BYTES_MAX });
  readonly #calls = new Map<number, PendingCall>();
  /** Calls that wait for room in the server's window. */
  readonly #held: { readonly call: PreparedCall; readonly pending: PendingCall }[] = [];
  #window = WINDOW_DEFAULT;
  #nextStream = 1;
  #unacknowledgedBytes = 0;
  #output = new Uint8Array(OUTPUT_BYTES);
  #outputBytes = 0;
  #spare = new Uint8Array(OUTPUT_BYTES);
  #isWriting = false;
  /** The beginning of a frame that is not there as a whole. */
  #rest = EMPTY;
  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** @param address `host:port` */
  static async open(address: string): Promise<GrpcConnection> {
    const colon = address.lastIndexOf(":");
    const connection = await Deno.connect({
      hostname: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
    });
    connection.setNoDelay(true);
    const grpc = new GrpcConnection(connection);
    const settings = new Uint8Array(6);
    new DataView(settings.buffer).setUint16(0, SettingId.initialWindowSize);
    new DataView(settings.buffer).setUint32(2, WINDOW_WANTED);
    grpc.#add(PREFACE);
    grpc.#add(frame(CONNECTION, { type: FrameType.settings }, settings));
    grpc.#add(windowUpdate(WINDOW_WANTED));
    void grpc.#readAll();
    return grpc;
  }

  /** Resolves when the call was answered with `grpc-status` 0; rejects with any other. */
  call(call: PreparedCall): Promise<void> {
    return new Promise((resolve, reject) => {
      const pending: PendingCall = { resolve, reject, status: undefined };
      if (this.#isClosed) reject(new Error("The connection is closed"));
      else if (this.#held.length > 0 || this.#window < call.bodyBytes) this.#held.push({ call, pending });
      else this.#start(call, pending);
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  #start({ frames, starts, bodyBytes }: PreparedCall, pending: PendingCall): void {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#calls.set(stream, pending);
    this.#window -= bodyBytes;
    const at = this.#add(frames);
    for (const start of starts) writeUint32(this.#output, at + start + STREAM_ID_AT, stream);
  }

  /** Puts bytes behind what is to be written next. @returns where they begin */
  #add(bytes: Uint8Array): number {
    const at = this.#outputBytes;
    this.#outputBytes += bytes.length;
    if (this.#outputBytes > this.#output.length) {
      const larger = new Uint8Array(2 * this.#outputBytes);
      larger.set(this.#output.subarray(0, at));
      this.#output = larger;
    }
    this.#output.set(bytes, at);
    if (!this.#isWriting) {
      this.#isWriting = true;
      queueMicrotask(() => void this.#flush());
    }
    return at;
  }

  async #flush(): Promise<void> {
    try {
      while (this.#outputBytes > 0) {
        const bytes = this.#output.subarray(0, this.#outputBytes);
        // What comes meanwhile goes to the other of two buffers.
        [this.#output, this.#spare] = [this.#spare, this.#output];
        this.#outputBytes = 0;
        for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
      }
      this.#isWriting = false;
    } catch (error) {
      this.#fail(error);
    }
  }

  async #readAll(): Promise<void> {
    try {
      for (const buffer = new Uint8Array(READ_BYTES);;) {
        const count = await this.#connection.read(buffer);
        if (count === null) throw new Error("The server closed the connection");
        const bytes = buffer.subarray(0, count);
        this.#take(
          this.#rest.length === 0 ? bytes : joinChunks([this.#rest, bytes], this.#rest.length + count),
        );
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(bytes: Uint8Array): void {
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const end = at + FRAME_HEAD_BYTES + (bytes[at]! << 16 | bytes[at + 1]! << 8 | bytes[at + 2]!);
      if (end > bytes.length) break;
      this.#takeFrame(bytes, at, end);
      at = end;
    }
    this.#rest = at === bytes.length ? EMPTY : bytes.slice(at);
  }

  /** One frame, from `at` to `end`. */
  #takeFrame(bytes: Uint8Array, at: number, end: number): void {
    const flags = bytes[at + 4]!;
    const stream = readUint32(bytes, at + STREAM_ID_AT) & 0x7fff_ffff;
    const start = at + FRAME_HEAD_BYTES;
    switch (bytes[at + 3]) {
      case FrameType.headers:
        this.#takeFields(stream, bytes.subarray(start, end));
        break;
      case FrameType.data:
        this.#noteReceived(end - start);
        break;
      case FrameType.rstStream:
        return this.#end(stream, new Error(`The server reset the stream with ${readUint32(bytes, start)}`));
      case FrameType.settings:
        if ((flags & FrameFlag.ack) === 0) {
          this.#add(frame(CONNECTION, { type: FrameType.settings, flags: FrameFlag.ack }, EMPTY));
        }
        return;
      case FrameType.ping:
        if ((flags & FrameFlag.ack) === 0) {
          const payload = bytes.subarray(start, end);
          this.#add(frame(CONNECTION, { type: FrameType.ping, flags: FrameFlag.ack }, payload));
        }
        return;
      case FrameType.windowUpdate:
        if (stream === 0) this.#widen(readUint32(bytes, start));
        return;
      case FrameType.goAway: {
        const why = decoder.decode(bytes.subarray(start + 8, end));
        throw new Error(`The server ends the connection with ${readUint32(bytes, start + 4)}: ${why}`);
      }
      default:
        return;
    }
    if ((flags & FrameFlag.endStream) !== 0) this.#end(stream);
  }

  #takeFields(stream: number, block: Uint8Array): void {
    for (const { name, value } of this.#hpack.decode(block).fields) {
      const call = this.#calls.get(stream);
      if (name === "grpc-status" && call !== undefined) call.status = value;
    }
  }

  #noteReceived(bytes: number): void {
    this.#unacknowledgedBytes += bytes;
    if (this.#unacknowledgedBytes < WINDOW_WANTED / 2) return;
    this.#add(windowUpdate(this.#unacknowledgedBytes));
    this.#unacknowledgedBytes = 0;
  }

  #widen(bytes: number): void {
    this.#window += bytes;
    while (this.#held.length > 0 && this.#window >= this.#held[0]!.call.bodyBytes) {
      const { call, pending } = this.#held.shift()!;
      this.#start(call, pending);
    }
  }

  #end(stream: number, error?: Error): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    if (error === undefined && call.status === "0") call.resolve();
    else call.reject(error ?? new Error(`The call was answered with grpc-status ${call.status}`));
  }

  #fail(error: unknown): void {
    this.#isClosed = true;
    const reason = error instanceof Error ? error : new Error(String(error));
    for (const stream of [...this.#calls.keys()]) this.#end(stream, reason);
    for (const { pending } of this.#held.splice(0)) pending.reject(reason);
  }
}

function frame(
  stream: number,
  { type, flags = 0 }: { readonly type: number; readonly flags?: number },
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD_BYTES + payload.length);
  const { length } = payload;
  bytes[0] = length >>> 16;
  bytes[1] = length >>> 8;
  bytes[2] = length;
  bytes[3] = type;
  bytes[4] = flags;
  writeUint32(bytes, STREAM_ID_AT, stream);
  bytes.set(payload, FRAME_HEAD_BYTES);
  return bytes;
}

/** Of the connection. */
function windowUpdate(bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes);
  return frame(CONNECTION, { type: FrameType.windowUpdate }, payload);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
