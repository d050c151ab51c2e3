/**
 * Sends answers: heads at once, bodies as the windows of the client and the speed of its connection allow
 * (RFC 9113, section 5.2), streams in turns.
 *
 * ```
 * answer, write ──▶ queue of the stream ──turns of 16 KiB──▶ buffer ──flush──▶ channel ──▶ client
 *                   its window             the connection's   at most 256 KiB wait here
 * ```
 *
 * What waits in queues and in the channel counts against the budget for answers; what finds no room there
 * resets its stream, but for 16 KiB of each connection, so that slow readers elsewhere cost nobody a stream,
 * and for callers who have shown who they are. A small answer that may go at once passes the queue by, with
 * head, body and trailers in one buffer.
 *
 * @module
 */

import {
  type ByteChannel,
  type HeaderPairs,
  type HttpContext,
  ownedBytes,
  type WholeAnswer,
} from "../mod.ts";
import {
  FRAME_BYTES_DEFAULT,
  Http2Code,
  type Http2CodeValue,
  Http2Error,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./frame.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { PeerSettings } from "./peer_settings.ts";
import type { Http2Stream, SendQueue } from "./stream.ts";

/** What a stream sends before the next one has its turn; also the largest frame. */
const TURN_BYTES = FRAME_BYTES_DEFAULT;
/** Bytes that may wait in the channel: enough to keep a fast connection busy. */
const UNSENT_BYTES_MAX = 262_144;
/** Bytes that may wait in every connection without room in the budget. */
const UNCOUNTED_BYTES = 16_384;
/** Above it, who writes on a stream is told to wait; below half of it, to go on. */
const QUEUE_BYTES_MAX = 262_144;
/** A reader that takes less than this is slow, however often it does so. */
const PROGRESS_BYTES_MIN = 1_024;
/** A frame below it that was cut short by a window is no payload progress. */
const WHOLESOME_BYTES = 256;

const EMPTY = new Uint8Array(0);

/** What a sender works with. */
export interface AnswerSenderOptions {
  readonly writer: FrameWriter;
  readonly channel: ByteChannel;
  readonly context: HttpContext;
  /** See `AnswerStream.trust`. */
  readonly isTrusted: () => boolean;
  /** Payload has moved or an answer is complete. */
  readonly onProgress: () => void;
  /** The answer of a stream has been sent to its end. */
  readonly onEnded: (stream: Http2Stream) => void;
  /** There is no room for an answer. */
  readonly onRefused: (stream: Http2Stream) => void;
  /** Sending has failed where nobody waits for it. */
  readonly onFailed: (error: unknown) => void;
}

/** What receivers need of their connection. */
export interface StreamHost {
  readonly context: HttpContext;
  readonly sender: AnswerSender;
  /** Of small bodies that were taken without room: see `UNCOUNTED_BODY_BYTES_MAX`. */
  uncountedBodyBytes: number;
  /** `bytes` of the body were taken: the client may send as many more. */
  credit(stream: Http2Stream, bytes: number): void;
  /** Ends a stream before its answer is complete. */
  reset(stream: Http2Stream, code: Http2CodeValue): void;
  /** A handler goes on working for a caller who has left (1), or is done with that (-1). */
  countLeftover(change: 1 | -1): void;
  /** See `AnswerStream.trust`. */
  trust(): void;
  /** This side has made a mistake: the connection ends, and the operator gets a line in the log. */
  fail(error: unknown): void;
}

/** See the module comment. */
export class AnswerSender {
  readonly settings: PeerSettings = new PeerSettings();
  readonly #options: AnswerSenderOptions;
  /** What may still be sent on all streams together. */
  #window = WINDOW_DEFAULT;
  /** Streams with something to send and a window for it, in the order of their turns. */
  #ready: Http2Stream[] = [];
  /** Invariant: the sum of the pieces that are queued on all streams, each as a whole until all is sent. */
  #queuedBytes = 0;
  /** What was taken of the budget. */
  #countedBytes = 0;
  #isBatching = false;
  #isWaiting = false;
  #isClosed = false;
  /** Bytes sent on all streams since `#sentMs`, when this was progress or nothing was held up. */
  #sentBytes = 0;
  #sentMs: number | undefined;
  /** What the operating system had taken at the last tick, and when that was last more than before. */
  #takenBytes = 0;
  #takenMs: number | undefined;

  constructor(options: AnswerSenderOptions) {
    this.#options = options;
  }

  /** What is sent until {@linkcode endBatch} goes out together. */
  startBatch(): void {
    this.#isBatching = true;
  }

  endBatch(): void {
    this.#isBatching = false;
    this.#finish();
  }

  /** Sends what may be sent, unless a batch is under way. */
  flush(): void {
    this.#finish();
  }

  /** Sends a whole answer, or as much of it as may be sent now. */
  answer(stream: Http2Stream, { status, headers, body, trailers }: WholeAnswer): void {
    if (stream.isGone || stream.isHeadSent) return;
    this.#setHead(stream, status);
    const content = stream.isBodyless ? EMPTY : body;
    const isAtOnce = content.length === 0 || this.#fitsAtOnce(stream, content.length);
    const isEnd = content.length === 0 && trailers === undefined;
    const fields = this.#admitted(stream, headers);
    this.#options.writer.headers({ streamId: stream.id, status, fields, isEnd });
    if (isEnd) this.#end(stream);
    else if (isAtOnce) this.#sendAtOnce(stream, content, trailers);
    else this.#enqueueAll(stream, content, trailers);
    this.#finish();
  }

  /** Sends the head of an answer. */
  start(stream: Http2Stream, status: number, headers: HeaderPairs): void {
    if (stream.isGone || stream.isHeadSent) return;
    this.#setHead(stream, status);
    const fields = this.#admitted(stream, headers);
    this.#options.writer.headers({ streamId: stream.id, status, fields, isEnd: false });
    this.#finish();
  }

  /** @returns a promise that resolves when there is room for more, if there is none now */
  write(stream: Http2Stream, bytes: Uint8Array): void | Promise<void> {
    if (stream.isGone || !stream.isHeadSent || stream.queue.isEnding) return;
    if (bytes.length === 0 || stream.isBodyless) return;
    if (!this.#enqueue(stream, bytes)) return;
    this.#finish();
    if (stream.isGone || stream.queue.bytes <= QUEUE_BYTES_MAX) return;
    stream.queue.room ??= Promise.withResolvers();
    return stream.queue.room.promise;
  }

  end(stream: Http2Stream, trailers: HeaderPairs | undefined): void {
    if (stream.isGone || stream.queue.isEnding) return;
    stream.queue.isEnding = true;
    stream.queue.trailers = trailers;
    if (stream.queue.bytes === 0) this.#sendEnd(stream);
    this.#finish();
  }

  /** Forgets what waits on a stream that is gone. */
  drop(stream: Http2Stream): void {
    for (const piece of stream.queue.pieces) this.#queuedBytes -= piece.length;
    stream.queue.bytes = 0;
    stream.queue.sentOfFirst = 0;
    stream.queue.pieces.length = 0;
    stream.queue.room?.resolve();
    stream.queue.room = undefined;
    if (!this.#isBatching) this.#settle();
  }

  /**
   * Credit for a stream.
   *
   * @returns `false` if its window would be too large
   */
  grant(stream: Http2Stream, increment: number): boolean {
    if (stream.sendWindow + increment > WINDOW_MAX) return false;
    stream.sendWindow += increment;
    this.#makeReady(stream);
    return true;
  }

  /**
   * Credit for all streams together.
   *
   * @throws {Http2Error} when the window would be too large
   */
  grantConnection(increment: number): void {
    if (this.#window + increment > WINDOW_MAX) {
      throw new Http2Error(Http2Code.flowControlError, `the window is above ${WINDOW_MAX}: give less credit`);
    }
    this.#window += increment;
  }

  /**
   * Takes SETTINGS over; a new initial window changes those of all open streams (RFC 9113, section 6.9.2).
   *
   * @throws {Http2Error} when a value is out of its range or a window becomes too large
   */
  updateSettings(payload: Uint8Array, streams: Iterable<Http2Stream>): void {
    const before = this.settings.initialWindow;
    this.settings.update(payload);
    const change = this.settings.initialWindow - before;
    if (change === 0) return;
    for (const stream of streams) {
      if (this.grant(stream, change)) continue;
      throw new Http2Error(Http2Code.flowControlError, `the window of stream ${stream.id} is too large`);
    }
  }

  /**
   * Whether the client has taken next to nothing of this stream's answer for too long.
   *
   * @param nowMs on a clock that does not go back
   */
  isStalled(stream: Http2Stream, nowMs: number): boolean {
    if (stream.queue.bytes === 0 || stream.sentBytes >= PROGRESS_BYTES_MIN) {
      stream.sentBytes = 0;
      stream.sendProgressMs = undefined;
      return false;
    }
    stream.sendProgressMs ??= nowMs;
    // One that may send waits for the connection, whose stall is another one's fault.
    return !stream.isReady && nowMs - stream.sendProgressMs > this.#options.context.limits.progressMs;
  }

  /** The same for the window of the connection, and for the connection itself. */
  isConnectionStalled(nowMs: number): boolean {
    const { writer, channel, context } = this.#options;
    const takenBytes = writer.writtenBytes - channel.pendingBytes;
    if (channel.pendingBytes === 0 || takenBytes > this.#takenBytes) this.#takenMs = nowMs;
    this.#takenBytes = takenBytes;
    const isHeldUp = this.#ready.length > 0 && this.#window <= 0;
    if (!isHeldUp || this.#sentBytes >= PROGRESS_BYTES_MIN) {
      this.#sentBytes = 0;
      this.#sentMs = nowMs;
    }
    return nowMs - Math.min(this.#takenMs ?? nowMs, this.#sentMs ?? nowMs) > context.limits.progressMs;
  }

  /** The connection is over: gives back what was taken of the budget. */
  close(): void {
    this.#isClosed = true;
    this.#options.context.answers.release(this.#countedBytes);
    this.#countedBytes = 0;
  }

  #admitted({ head }: Http2Stream, headers: HeaderPairs): HeaderPairs {
    const { cors } = this.#options.context;
    return cors === undefined ? headers : cors.admitFields(headers, head.headers.get("origin"));
  }

  #setHead(stream: Http2Stream, status: number): void {
    stream.isHeadSent = true;
    stream.isBodyless = stream.head.method === "HEAD" || status === 204 || status === 304;
  }

  #fitsAtOnce(stream: Http2Stream, bytes: number): boolean {
    return bytes <= TURN_BYTES && bytes <= stream.sendWindow && bytes <= this.#window &&
      this.#ready.length === 0 && this.#options.writer.pendingBytes < UNSENT_BYTES_MAX &&
      // What waits without having found room in the budget is not added to.
      this.#countedBytes + UNCOUNTED_BYTES + this.#options.writer.bufferedBytes >=
        this.#options.writer.pendingBytes;
  }

  #sendAtOnce(stream: Http2Stream, bytes: Uint8Array, trailers: HeaderPairs | undefined): void {
    if (bytes.length > 0) this.#sendData(stream, bytes, trailers === undefined);
    if (trailers !== undefined) this.#sendTrailers(stream, trailers);
    this.#end(stream);
  }

  #enqueueAll(stream: Http2Stream, bytes: Uint8Array, trailers: HeaderPairs | undefined): void {
    if (!this.#enqueue(stream, bytes)) return;
    stream.queue.isEnding = true;
    stream.queue.trailers = trailers;
  }

  #enqueue(stream: Http2Stream, bytes: Uint8Array): boolean {
    if (this.#options.context.answers.take(bytes.length)) {
      this.#countedBytes += bytes.length;
    } else if (!this.#options.isTrusted() && this.#uncountedBytes() + bytes.length > UNCOUNTED_BYTES) {
      this.#options.onRefused(stream);
      return false;
    }
    this.#queuedBytes += bytes.length;
    stream.queue.pieces.push(ownedBytes(bytes));
    stream.queue.bytes += bytes.length;
    this.#makeReady(stream);
    return true;
  }

  /** What waits without room in the budget. {@linkcode #settle} finds it some when there is any. */
  #uncountedBytes(): number {
    return Math.max(0, this.#queuedBytes + this.#options.channel.heldBytes - this.#countedBytes);
  }

  #makeReady(stream: Http2Stream): void {
    if (stream.isReady || stream.queue.bytes === 0 || stream.sendWindow <= 0) return;
    stream.isReady = true;
    this.#ready.push(stream);
  }

  /** Sends what may be sent; then what is in the buffer goes to the channel. */
  #finish(): void {
    if (this.#isBatching || this.#isClosed) return;
    this.#isBatching = true;
    this.#takeTurns();
    this.#isBatching = false;
    this.#options.writer.flush();
    this.#settle();
  }

  #takeTurns(): void {
    const { writer } = this.#options;
    while (this.#window > 0 && writer.pendingBytes < UNSENT_BYTES_MAX) {
      const stream = this.#ready.shift();
      if (stream === undefined) return;
      stream.isReady = false;
      this.#takeTurn(stream);
      this.#makeReady(stream);
    }
  }

  #takeTurn(stream: Http2Stream): void {
    const { queue } = stream;
    let left = Math.min(TURN_BYTES, stream.sendWindow, this.#window);
    while (left > 0 && queue.bytes > 0) {
      const bytes = this.#nextBytes(queue, left);
      queue.bytes -= bytes.length;
      left -= bytes.length;
      this.#sendData(stream, bytes, queue.bytes === 0 && queue.isEnding && queue.trailers === undefined);
    }
    if (queue.bytes === 0 && queue.isEnding && !stream.isGone) this.#afterLastData(stream);
    if (queue.room !== undefined && queue.bytes <= QUEUE_BYTES_MAX / 2) {
      queue.room.resolve();
      queue.room = undefined;
    }
  }

  /** At most `bytesMax` bytes of the first piece, which is held, and counted, until all of it has gone. */
  #nextBytes(queue: SendQueue, bytesMax: number): Uint8Array {
    const piece = queue.pieces[0]!;
    const isWhole = queue.sentOfFirst === 0 && piece.length <= bytesMax;
    const bytes = isWhole ? piece : piece.subarray(queue.sentOfFirst, queue.sentOfFirst + bytesMax);
    queue.sentOfFirst += bytes.length;
    if (queue.sentOfFirst < piece.length) return bytes;
    queue.pieces.shift();
    queue.sentOfFirst = 0;
    this.#queuedBytes -= piece.length;
    return bytes;
  }

  #afterLastData(stream: Http2Stream): void {
    if (stream.queue.trailers !== undefined) this.#sendTrailers(stream, stream.queue.trailers);
    this.#end(stream);
  }

  #sendEnd(stream: Http2Stream): void {
    if (stream.queue.trailers !== undefined) this.#sendTrailers(stream, stream.queue.trailers);
    else this.#options.writer.data({ streamId: stream.id, bytes: EMPTY, isEnd: true });
    this.#end(stream);
  }

  #sendData(stream: Http2Stream, bytes: Uint8Array, isEnd: boolean): void {
    this.#options.writer.data({ streamId: stream.id, bytes, isEnd });
    stream.sendWindow -= bytes.length;
    this.#window -= bytes.length;
    stream.sentBytes += bytes.length;
    this.#sentBytes += bytes.length;
    if (isEnd || bytes.length >= WHOLESOME_BYTES || stream.queue.bytes === 0) this.#options.onProgress();
  }

  #sendTrailers(stream: Http2Stream, fields: HeaderPairs): void {
    this.#options.writer.headers({ streamId: stream.id, fields, isEnd: true });
  }

  #end(stream: Http2Stream): void {
    stream.isLocalEnded = true;
    this.#options.onProgress();
    this.#options.onEnded(stream);
  }

  /** Counts what waits now, and comes back when the channel has taken it. */
  #settle(): void {
    if (this.#isClosed) return;
    const { answers } = this.#options.context;
    const waiting = Math.max(0, this.#options.channel.heldBytes - UNCOUNTED_BYTES);
    const wanted = this.#queuedBytes + waiting;
    if (this.#countedBytes > wanted) {
      answers.release(this.#countedBytes - wanted);
      this.#countedBytes = wanted;
    } else if (this.#countedBytes < wanted && answers.take(wanted - this.#countedBytes)) {
      this.#countedBytes = wanted;
    }
    if (waiting > 0) this.#waitForChannel();
  }

  #waitForChannel(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    const sent = this.#options.channel.flushed().then(() => {
      this.#isWaiting = false;
      this.#finish();
    });
    sent.catch((error) => this.#options.onFailed(error));
  }
}
