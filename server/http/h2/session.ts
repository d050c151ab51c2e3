/**
 * What each frame of a client does to its connection (RFC 9113, sections 5 and 6).
 *
 * Stream errors reset their stream; connection errors are thrown as `Http2Error`, and whoever feeds the
 * session ends the connection. Header blocks are decoded even when nobody wants them, because the compression
 * of all later ones depends on them. It has a short function for each kind of frame, and is long because they
 * are many and share the streams and windows of one connection.
 *
 * @module
 */

import {
  type ByteChannel,
  handlerFailed,
  handlerFor,
  type HttpContext,
  type HttpRouter,
  type RequestHead,
} from "../mod.ts";
import { type HeaderList, HpackDecoder, HpackError } from "../hpack/mod.ts";
import { AnswerSender, type StreamHost } from "./answer_sender.ts";
import {
  ControlFrames,
  type ControlHost,
  expectStream,
  expectUsed,
  PRIORITY_BYTES,
} from "./control_frames.ts";
import { FloodGuard } from "./flood_guard.ts";
import {
  type Frame,
  FRAME_BYTES_DEFAULT,
  FrameFlag,
  FrameType,
  Http2Code,
  type Http2CodeValue,
  Http2Error,
  readUint31,
  SettingId,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
} from "./frame.ts";
import { BlockJoiner, FrameReader, withoutPadding } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { type HeadResult, type Http2Head, readRequestHead, trailerFault } from "./request_head.ts";
import { ClosedStreams, HowClosed, Http2Stream, STREAM_WINDOW_BYTES } from "./stream.ts";
import { Http2StreamedExchange } from "./streamed_exchange.ts";
import { Http2WholeExchange } from "./whole_exchange.ts";

/** What all streams of a connection together may send before any of it was taken. */
export const CONNECTION_WINDOW_BYTES = 16_777_216;

const STATUS_CONTINUE = 100;
const STATUS_FIELDS_TOO_LARGE = 431;
const STATUS_NOT_IMPLEMENTED = 501;

/** What a session works with. */
export interface Http2SessionOptions {
  readonly channel: ByteChannel;
  readonly router: HttpRouter;
  readonly context: HttpContext;
  readonly scheme: RequestHead["scheme"];
  /** The last open stream has ended. */
  readonly onEmpty: () => void;
  /** See `StreamHost.fail`. */
  readonly onFailed: (error: unknown) => void;
}

/** See the module comment. */
export class Http2Session implements StreamHost, ControlHost {
  readonly context: HttpContext;
  readonly sender: AnswerSender;
  readonly writer: FrameWriter;
  readonly #options: Http2SessionOptions;
  readonly #reader: FrameReader;
  readonly #joiner: BlockJoiner;
  readonly #hpack: HpackDecoder;
  readonly #guard = new FloodGuard();
  readonly #control: ControlFrames;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #closed = new ClosedStreams();
  /** What was read of the list that the decoder remembers. */
  #recent: { readonly list: HeaderList; readonly result: HeadResult } | undefined;
  /** Requests of the chunk under way whose head may be answer enough. */
  readonly #unjudged: Http2WholeExchange[] = [];
  /** Invariant: all streams that are or were open have this id at most. */
  #lastStreamId = 0;
  /** Streams above it are not served any more. */
  #lastServedId = STREAM_ID_MAX;
  #hasSettings = false;
  /** The connection is over: what is left of the chunk under way means nothing. */
  #isOver = false;
  #receiveWindow = CONNECTION_WINDOW_BYTES;
  /** Credit of the connection that was not announced, because it is small. */
  #owedCredit = 0;
  uncountedBodyBytes = 0;
  /** Handlers that go on working for callers who have left. */
  #leftovers = 0;
  /** A request was answered to its end. */
  hasCompletedRequest = false;
  isTrusted = false;
  /** The client has said that it goes away. */
  isPeerLeaving = false;
  /** A ping of this side was not answered yet. */
  isPingOpen = false;

  constructor(options: Http2SessionOptions) {
    const { channel, context } = options;
    this.#options = options;
    this.context = context;
    this.writer = new FrameWriter(channel);
    this.sender = new AnswerSender({
      writer: this.writer,
      channel,
      context,
      isTrusted: () => this.isTrusted,
      onProgress: () => this.#guard.noteProgress(),
      onEnded: (stream) => this.#complete(stream),
      onRefused: (stream) => this.#refuseAnswer(stream),
      onFailed: (error) => this.fail(error),
    });
    const { headBytesMax } = context.limits;
    // A list that is a little too large is answered; what is far above that is not even kept.
    this.#joiner = new BlockJoiner({
      blockBytesMax: headBytesMax + FRAME_BYTES_DEFAULT,
      budget: context.bodies,
    });
    this.#hpack = new HpackDecoder({ listBytesMax: headBytesMax, keptName: "origin" });
    this.#control = new ControlFrames(this);
    this.#reader = new FrameReader((frame) => this.#take(frame));
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get streams(): ReadonlyMap<number, Http2Stream> {
    return this.#streams;
  }

  get lastStreamId(): number {
    return this.#lastStreamId;
  }

  /** The head of a request has begun and not ended. */
  get isWithinHead(): boolean {
    return this.#joiner.isOpen;
  }

  /** Announces what this side takes (RFC 9113, section 3.4). */
  start(): void {
    this.writer.settings([
      [SettingId.maxConcurrentStreams, this.context.limits.streamsMax],
      [SettingId.initialWindowSize, STREAM_WINDOW_BYTES],
      [SettingId.maxHeaderListSize, this.context.limits.headBytesMax],
    ]);
    this.writer.windowUpdate(0, CONNECTION_WINDOW_BYTES - WINDOW_DEFAULT);
    this.writer.flush();
  }

  /**
   * Takes what came next. All answers that can be given at once go out as one write.
   *
   * @throws {Http2Error} when the connection must end
   */
  push(chunk: Uint8Array): void {
    this.#guard.checkReplies(this.#options.channel.pendingBytes);
    this.sender.startBatch();
    try {
      this.#reader.push(chunk);
      if (this.#unjudged.length > 0) this.#judgeHeads();
    } finally {
      this.sender.endBatch();
    }
  }

  /** Streams that the client opens from now on are not served. */
  stopAccepting(): void {
    this.#lastServedId = this.#lastStreamId;
  }

  /**
   * Ends what makes no progress.
   *
   * @param nowMs on a clock that does not go back
   * @throws {Http2Error} when the client takes nothing of all that it is sent
   */
  tick(nowMs: number): void {
    this.#guard.tick(nowMs);
    for (const stream of this.#streams.values()) {
      if (!this.sender.isStalled(stream, nowMs) && !this.#isBodyStalled(stream, nowMs)) continue;
      this.context.meters.observeLimit("body_time");
      this.reset(stream, Http2Code.cancel);
    }
  }

  /** The connection is over: every stream has lost its client. */
  lose(reason: Error): void {
    this.#isOver = true;
    for (const stream of [...this.#streams.values()]) this.#lose(stream, HowClosed.cut, reason);
    this.sender.close();
    this.#joiner.close();
  }

  credit(stream: Http2Stream, bytes: number): void {
    if (stream.isGone) return;
    stream.uncreditedBytes -= bytes;
    stream.owedCredit += bytes;
    if (!stream.isRemoteEnded && stream.owedCredit >= STREAM_WINDOW_BYTES / 2) {
      this.writer.windowUpdate(stream.id, stream.owedCredit);
      stream.receiveWindow += stream.owedCredit;
      stream.owedCredit = 0;
    }
    this.#creditConnection(bytes);
    this.sender.flush();
  }

  reset(stream: Http2Stream, code: Http2CodeValue): void {
    if (stream.isGone) return;
    this.resetClosed(stream.id, code);
    this.#lose(stream, HowClosed.cut, new Error(`stream ${stream.id} was reset by the server: code ${code}`));
    this.sender.flush();
  }

  resetClosed(streamId: number, code: Http2CodeValue): void {
    this.#guard.countReply();
    this.writer.rstStream(streamId, code);
  }

  loseToPeer(stream: Http2Stream): void {
    this.#lose(stream, HowClosed.resetByPeer, new Error(`stream ${stream.id} was reset by its client`));
  }

  acknowledge(write: () => void): void {
    this.#guard.countReply();
    write();
  }

  notePeerLeaving(): void {
    this.isPeerLeaving = true;
    if (this.#streams.size === 0) this.#options.onEmpty();
  }

  trust(): void {
    this.isTrusted = true;
  }

  fail(error: unknown): void {
    this.#options.onFailed(error);
  }

  countLeftover(change: 1 | -1): void {
    this.#leftovers += change;
  }

  #take(frame: Frame): void {
    if (this.#isOver) return;
    if (!this.#hasSettings) this.#expectSettings(frame);
    const joined = this.#joiner.join(frame);
    if (joined === undefined) return;
    switch (joined.type) {
      case FrameType.headers:
        return this.#takeHeaders(joined);
      case FrameType.data:
        return this.#takeData(joined);
      case FrameType.pushPromise:
        throw new Http2Error(Http2Code.protocolError, "a client may not push");
      default:
        this.#guard.countControl();
        return this.#control.take(joined);
    }
  }

  /** RFC 9113, section 3.4. */
  #expectSettings({ type, flags }: Frame): void {
    if (type !== FrameType.settings || (flags & FrameFlag.ack) !== 0) {
      throw new Http2Error(Http2Code.protocolError, "the first frame is not SETTINGS");
    }
    this.#hasSettings = true;
  }

  #takeHeaders(frame: Frame): void {
    const { streamId, flags } = frame;
    expectStream(streamId, "HEADERS");
    let block = withoutPadding(frame);
    let isSelfDependent = false;
    if ((flags & FrameFlag.priority) !== 0) {
      if (block.length < PRIORITY_BYTES) {
        throw new Http2Error(Http2Code.frameSizeError, "HEADERS is too short for its priority");
      }
      isSelfDependent = readUint31(block, 0) === streamId;
      block = block.subarray(PRIORITY_BYTES);
    }
    const list = this.#decode(block);
    const isEnd = (flags & FrameFlag.endStream) !== 0;
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#takeTrailers(stream, list, isEnd);
    if (streamId <= this.#lastStreamId) return this.#takeLateHeaders(streamId);
    if (streamId % 2 === 0) throw new Http2Error(Http2Code.protocolError, `stream id ${streamId} is even`);
    this.#lastStreamId = streamId;
    if (isSelfDependent) return this.#refuseStream(streamId, Http2Code.protocolError);
    this.#open(streamId, list, isEnd);
  }

  #decode(block: Uint8Array): HeaderList {
    try {
      return this.#hpack.decode(block);
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      throw new Http2Error(Http2Code.compressionError, error.message);
    }
  }

  #takeTrailers(stream: Http2Stream, { fields, isTooLarge }: HeaderList, isEnd: boolean): void {
    if (stream.isRemoteEnded) return this.reset(stream, Http2Code.streamClosed);
    if (isTooLarge) this.context.meters.observeLimit("head_bytes");
    const isFaulty = !isEnd || isTooLarge || trailerFault(fields) !== undefined;
    if (isFaulty || !isLengthKept(stream, true)) return this.reset(stream, Http2Code.protocolError);
    this.#endBody(stream);
  }

  /** On a stream that is not open any more (section 5.1). */
  #takeLateHeaders(streamId: number): void {
    switch (this.#closed.of(streamId)) {
      case HowClosed.cut:
        return;
      case HowClosed.resetByPeer:
        return this.resetClosed(streamId, Http2Code.streamClosed);
      case HowClosed.done:
        throw new Http2Error(Http2Code.streamClosed, `stream ${streamId} has ended`);
      default:
        throw new Http2Error(Http2Code.protocolError, `stream id ${streamId} is below that of another one`);
    }
  }

  #open(streamId: number, list: HeaderList, isEnd: boolean): void {
    if (streamId > this.#lastServedId) return this.#refuseStream(streamId, Http2Code.refusedStream);
    if (this.#streams.size + this.#leftovers >= this.context.limits.streamsMax) {
      this.context.meters.observeLimit("streams");
      return this.#refuseStream(streamId, Http2Code.refusedStream);
    }
    if (list.isTooLarge) {
      this.context.meters.observeLimit("head_bytes");
      return this.#answerBare(streamId, { status: STATUS_FIELDS_TOO_LARGE, list, isEnd });
    }
    const result = this.#readHead(list);
    if ("fault" in result) return this.#refuseStream(streamId, Http2Code.protocolError);
    const { head } = result;
    if (isEnd && (head.bodyBytes ?? 0) !== 0) return this.#refuseStream(streamId, Http2Code.protocolError);
    if (head.method === "CONNECT") {
      return this.#answerBare(streamId, { status: STATUS_NOT_IMPLEMENTED, list, isEnd });
    }
    this.#serve(streamId, head, isEnd);
  }

  /** A list that the decoder gives again makes the same head; others, which may be large, are not held. */
  #readHead(list: HeaderList): HeadResult {
    if (this.#recent?.list === list) return this.#recent.result;
    const result = readRequestHead(list.fields, this.#options.scheme);
    if (this.#hpack.remembers(list)) this.#recent = { list, result };
    return result;
  }

  #serve(streamId: number, head: Http2Head, isEnd: boolean): void {
    const stream = new Http2Stream(streamId, head, this.sender.settings.initialWindow);
    stream.isRemoteEnded = isEnd;
    this.#streams.set(streamId, stream);
    const { router, context: { cors } } = this.#options;
    const handler = handlerFor(head, { router, cors });
    if (handler.kind === "whole") {
      const exchange = new Http2WholeExchange({ host: this, stream, handler });
      stream.receiver = exchange;
      exchange.start();
      if (handler.refuseHead !== undefined && !isEnd) this.#judgeHead(exchange, head);
    } else {
      const exchange = new Http2StreamedExchange({ host: this, stream, handler });
      stream.receiver = exchange;
      exchange.open();
    }
    if (stream.isGone) return;
    if (isEnd) this.#endBody(stream);
    else if (head.expectsContinue && !stream.isHeadSent) this.#askForBody(streamId);
  }

  /** RFC 9110, section 10.1.1. */
  #askForBody(streamId: number): void {
    this.writer.headers({ streamId, status: STATUS_CONTINUE, fields: [], isEnd: false });
  }

  /** Its body may stand in the same chunk: then it is not asked for twice. */
  #judgeHead(exchange: Http2WholeExchange, { expectsContinue }: Http2Head): void {
    if (expectsContinue) exchange.judgeHead();
    else this.#unjudged.push(exchange);
  }

  #judgeHeads(): void {
    for (const exchange of this.#unjudged) exchange.judgeHead();
    this.#unjudged.length = 0;
  }

  #endBody(stream: Http2Stream): void {
    stream.isRemoteEnded = true;
    stream.receiver?.end();
  }

  #takeData(frame: Frame): void {
    const { streamId, payload, flags } = frame;
    expectStream(streamId, "DATA");
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) {
      throw new Http2Error(
        Http2Code.flowControlError,
        `more than ${CONNECTION_WINDOW_BYTES} bytes are under way: wait for credit`,
      );
    }
    const bytes = withoutPadding(frame);
    const isEnd = (flags & FrameFlag.endStream) !== 0;
    if (bytes.length > 0) this.#guard.noteProgress();
    else if (!isEnd) this.#guard.countControl();
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#takeLateData(streamId, payload.length);
    if (stream.isRemoteEnded) {
      this.#creditConnection(payload.length);
      return this.reset(stream, Http2Code.streamClosed);
    }
    stream.receiveWindow -= payload.length;
    stream.uncreditedBytes += payload.length;
    if (stream.receiveWindow < 0) return this.reset(stream, Http2Code.flowControlError);
    this.#takeBody(stream, bytes, isEnd);
    if (payload.length > bytes.length) this.credit(stream, payload.length - bytes.length);
  }

  #takeBody(stream: Http2Stream, bytes: Uint8Array, isEnd: boolean): void {
    stream.receivedBytes += bytes.length;
    if (!isLengthKept(stream, isEnd)) return this.reset(stream, Http2Code.protocolError);
    stream.isRemoteEnded = isEnd;
    if (bytes.length > 0) stream.receiver?.data(bytes, isEnd);
    if (isEnd && !stream.isGone) this.#endBody(stream);
  }

  /** On a stream that is not open any more: what was under way when it was cut is let pass. */
  #takeLateData(streamId: number, length: number): void {
    expectUsed(streamId, this.#lastStreamId, "DATA");
    this.#creditConnection(length);
    const how = this.#closed.of(streamId);
    if (how !== HowClosed.done && how !== HowClosed.resetByPeer) return;
    this.#guard.countControl();
    this.resetClosed(streamId, Http2Code.streamClosed);
  }

  #creditConnection(bytes: number): void {
    this.#owedCredit += bytes;
    if (this.#owedCredit < CONNECTION_WINDOW_BYTES / 2) return;
    this.writer.windowUpdate(0, this.#owedCredit);
    this.#receiveWindow += this.#owedCredit;
    this.#owedCredit = 0;
  }

  /** The answer is complete. A client that is still sending is told that nobody reads it (section 8.1). */
  #complete(stream: Http2Stream): void {
    this.hasCompletedRequest = true;
    if (!stream.isRemoteEnded) this.resetClosed(stream.id, Http2Code.noError);
    this.#remove(stream, stream.isRemoteEnded ? HowClosed.done : HowClosed.cut);
    stream.receiver?.closed();
  }

  #refuseAnswer(stream: Http2Stream): void {
    this.context.meters.observeLimit("answers");
    this.reset(stream, Http2Code.enhanceYourCalm);
  }

  #refuseStream(streamId: number, code: Http2CodeValue): void {
    this.#closed.note(streamId, HowClosed.cut);
    this.resetClosed(streamId, code);
  }

  /** Without a body, and without a handler. */
  #answerBare(
    streamId: number,
    { status, list, isEnd }: {
      readonly status: number;
      readonly list: HeaderList;
      readonly isEnd: boolean;
    },
  ): void {
    const [origin, another] = list.fields.filter(({ name }) => name === "origin");
    const isOne = origin !== undefined && another === undefined;
    const fields = this.context.cors?.admitFields([], isOne ? origin.value : null) ?? [];
    this.writer.headers({ streamId, status, fields, isEnd: true });
    this.#guard.countReply();
    if (isEnd) this.#closed.note(streamId, HowClosed.done);
    else this.#refuseStream(streamId, Http2Code.noError);
  }

  #lose(stream: Http2Stream, how: number, reason: Error): void {
    this.#remove(stream, how);
    stream.hasLeft = true;
    try {
      stream.onLeave?.();
    } catch (error) {
      // The caller has gone, so that the line in the log is all there is to do.
      handlerFailed(error);
    }
    stream.receiver?.lost(reason);
  }

  #remove(stream: Http2Stream, how: number): void {
    stream.isGone = true;
    this.#streams.delete(stream.id);
    this.#closed.note(stream.id, how);
    this.#creditConnection(stream.uncreditedBytes);
    this.sender.drop(stream);
    if (this.#streams.size === 0) this.#options.onEmpty();
  }

  #isBodyStalled(stream: Http2Stream, nowMs: number): boolean {
    const { receiver } = stream;
    if (stream.isRemoteEnded || receiver === undefined || receiver.isPatient) return false;
    const isHeldBack = receiver.isBusy || this.#receiveWindow < FRAME_BYTES_DEFAULT;
    return stream.isBodyLate(nowMs, { progressMs: this.context.limits.progressMs, isHeldBack });
  }
}

/** Whether the body is as long as its head said, as far as that is known (section 8.1.1). */
function isLengthKept({ head, receivedBytes }: Http2Stream, isEnd: boolean): boolean {
  if (head.bodyBytes === undefined) return true;
  return isEnd ? receivedBytes === head.bodyBytes : receivedBytes <= head.bodyBytes;
}
