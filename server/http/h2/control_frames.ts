/**
 * Frames that carry no part of a request: settings, pings, credit, resets, priorities, and a client's
 * farewell (RFC 9113, sections 6.3 to 6.9).
 *
 * @module
 */

import type { AnswerSender } from "./answer_sender.ts";
import {
  type Frame,
  FrameFlag,
  FrameType,
  Http2Code,
  type Http2CodeValue,
  Http2Error,
  readUint31,
} from "./frame.ts";
import type { FrameWriter } from "./frame_writer.ts";
import type { Http2Stream } from "./stream.ts";

/** What a priority takes, in a frame of its own and in HEADERS. */
export const PRIORITY_BYTES = 5;
const PING_BYTES = 8;

/** What control frames change. */
export interface ControlHost {
  readonly sender: AnswerSender;
  readonly writer: FrameWriter;
  /** Those that are open. */
  readonly streams: ReadonlyMap<number, Http2Stream>;
  readonly lastStreamId: number;
  /** A ping of this side was not answered yet. */
  isPingOpen: boolean;
  /** Ends a stream because of an error. */
  reset(stream: Http2Stream, code: Http2CodeValue): void;
  /** The same where nothing is open any more. */
  resetClosed(streamId: number, code: Http2CodeValue): void;
  /** The client has reset a stream. */
  loseToPeer(stream: Http2Stream): void;
  /** Answers a control frame; such answers are counted. */
  acknowledge(write: () => void): void;
  /** The client opens no stream any more. */
  notePeerLeaving(): void;
}

/** See the module comment. */
export class ControlFrames {
  readonly #host: ControlHost;

  constructor(host: ControlHost) {
    this.#host = host;
  }

  /** @throws {Http2Error} when the connection must end */
  take(frame: Frame): void {
    switch (frame.type) {
      case FrameType.settings:
        return this.#takeSettings(frame);
      case FrameType.ping:
        return this.#takePing(frame);
      case FrameType.goAway:
        return this.#takeGoAway(frame);
      case FrameType.windowUpdate:
        return this.#takeWindowUpdate(frame);
      case FrameType.rstStream:
        return this.#takeReset(frame);
      case FrameType.priority:
        return this.#takePriority(frame);
      default:
        // Unknown types are ignored (section 4.1).
    }
  }

  #takeSettings({ streamId, flags, payload }: Frame): void {
    expectConnection(streamId, "SETTINGS");
    if ((flags & FrameFlag.ack) !== 0) return expectLength(payload, 0, "an acknowledgement of SETTINGS");
    this.#host.sender.updateSettings(payload, this.#host.streams.values());
    this.#host.acknowledge(() => this.#host.writer.settingsAck());
  }

  #takePing({ streamId, flags, payload }: Frame): void {
    expectConnection(streamId, "PING");
    expectLength(payload, PING_BYTES, "PING");
    if ((flags & FrameFlag.ack) !== 0) {
      this.#host.isPingOpen = false;
      return;
    }
    this.#host.acknowledge(() => this.#host.writer.ping(payload, true));
  }

  #takeGoAway({ streamId, payload }: Frame): void {
    expectConnection(streamId, "GOAWAY");
    if (payload.length < 8) throw new Http2Error(Http2Code.frameSizeError, "GOAWAY has less than 8 bytes");
    this.#host.notePeerLeaving();
  }

  #takeWindowUpdate({ streamId, payload }: Frame): void {
    expectLength(payload, 4, "WINDOW_UPDATE");
    const increment = readUint31(payload, 0);
    if (streamId !== 0) return this.#grantStream(streamId, increment);
    if (increment === 0) throw new Http2Error(Http2Code.protocolError, "the connection's credit is 0");
    this.#host.sender.grantConnection(increment);
  }

  #grantStream(streamId: number, increment: number): void {
    expectUsed(streamId, this.#host.lastStreamId, "WINDOW_UPDATE");
    const stream = this.#host.streams.get(streamId);
    if (stream === undefined) return;
    if (increment === 0) this.#host.reset(stream, Http2Code.protocolError);
    else if (!this.#host.sender.grant(stream, increment)) {
      this.#host.reset(stream, Http2Code.flowControlError);
    }
  }

  #takeReset({ streamId, payload }: Frame): void {
    expectStream(streamId, "RST_STREAM");
    expectLength(payload, 4, "RST_STREAM");
    expectUsed(streamId, this.#host.lastStreamId, "RST_STREAM");
    const stream = this.#host.streams.get(streamId);
    if (stream !== undefined) this.#host.loseToPeer(stream);
  }

  /** What it says is ignored (section 5.3.2), not how. */
  #takePriority({ streamId, payload }: Frame): void {
    expectStream(streamId, "PRIORITY");
    if (payload.length !== PRIORITY_BYTES) return this.#failStream(streamId, Http2Code.frameSizeError);
    if (readUint31(payload, 0) === streamId) this.#failStream(streamId, Http2Code.protocolError);
  }

  /** An error of a stream that may not be open. */
  #failStream(streamId: number, code: Http2CodeValue): void {
    const stream = this.#host.streams.get(streamId);
    if (stream !== undefined) return this.#host.reset(stream, code);
    // Streams that are idle cannot be reset (section 5.1).
    if (streamId > this.#host.lastStreamId) throw new Http2Error(code, "PRIORITY is broken");
    this.#host.resetClosed(streamId, code);
  }
}

/** Streams whose turn has not come are idle: little may be said about them (section 5.1). */
export function expectUsed(streamId: number, lastStreamId: number, what: string): void {
  if (streamId <= lastStreamId) return;
  throw new Http2Error(Http2Code.protocolError, `${what} on stream ${streamId}, which is idle`);
}

/** Frames that belong to a stream do not name the connection. */
export function expectStream(streamId: number, what: string): void {
  if (streamId === 0) throw new Http2Error(Http2Code.protocolError, `${what} is about a stream`);
}

function expectConnection(streamId: number, what: string): void {
  if (streamId !== 0) throw new Http2Error(Http2Code.protocolError, `${what} is not about a stream`);
}

function expectLength(payload: Uint8Array, length: number, what: string): void {
  if (payload.length === length) return;
  throw new Http2Error(Http2Code.frameSizeError, `${what} has ${payload.length} bytes: not ${length}`);
}
