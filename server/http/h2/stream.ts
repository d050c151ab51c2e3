/**
 * What a connection knows of one stream while it is open, who takes its body, and what is left when it ended.
 *
 * @module
 */

import { bodyProgressBytes, type Caller, type HeaderPairs } from "../mod.ts";
import type { Http2Head } from "./request_head.ts";

/** What a client may send on a stream before any of it was taken: enough for a fast and far one. */
export const STREAM_WINDOW_BYTES = 1_048_576;

/** As many as a connection has streams at most, by default and rounded up. */
const PLACES = 1_024;

/** Takes the body of a request. */
export interface BodyReceiver {
  /** A silent client is left in peace. */
  readonly isPatient: boolean;
  /** It is the receiver that holds the body up. */
  readonly isBusy: boolean;
  /**
   * @param bytes a view, perhaps into a larger chunk
   * @param isLast `end` follows at once
   */
  data(bytes: Uint8Array, isLast: boolean): void;
  end(): void;
  /** The stream has ended before its answer was complete. */
  lost(reason: Error): void;
  /** The answer is complete; what was not taken of the body is of no use any more. */
  closed(): void;
}

/** What waits to be sent on a stream. */
export interface SendQueue {
  readonly pieces: Uint8Array[];
  /** What has gone of the first piece. */
  sentOfFirst: number;
  /** Invariant: the sum of `pieces` less `sentOfFirst`. */
  bytes: number;
  /** Nothing is added any more: trailers, or the end of the last piece, follow. */
  isEnding: boolean;
  trailers: HeaderPairs | undefined;
  /** Who waits for room. */
  room: PromiseWithResolvers<void> | undefined;
}

/** What a body is judged by. */
export interface BodyTime {
  /** See `HttpLimits`. */
  readonly progressMs: number;
  /** The client may not send: its handler has not taken what came, or the windows are closed. */
  readonly isHeldBack: boolean;
}

/** See the module comment. */
export class Http2Stream implements Caller {
  readonly id: number;
  readonly head: Http2Head;
  receiver: BodyReceiver | undefined;
  /** The client has sent its END_STREAM. */
  isRemoteEnded = false;
  /** The answer has been sent up to its END_STREAM. */
  isLocalEnded = false;
  /** The connection has forgotten the stream: nothing is sent or taken any more. */
  isGone = false;

  /** What the client may still send. */
  receiveWindow = STREAM_WINDOW_BYTES;
  /** Bytes of DATA that were received. */
  receivedBytes = 0;
  /** Bytes that count against the windows and were not credited; invariant: never negative. */
  uncreditedBytes = 0;
  /** Credit that was not announced, because it is small. */
  owedCredit = 0;
  /** Time in which the client could have sent and the body made no progress. */
  #bodyQuietMs = 0;
  /** When that was counted last. */
  #bodyCountedMs: number | undefined;
  /** `receivedBytes` when the body made progress last. */
  #bodyProgressAt = 0;

  /** What may still be sent; negative when the client has made its windows smaller (RFC 9113, 6.9.2). */
  sendWindow: number;
  readonly queue: SendQueue = {
    pieces: [],
    sentOfFirst: 0,
    bytes: 0,
    isEnding: false,
    trailers: undefined,
    room: undefined,
  };
  isHeadSent = false;
  /** The answer has no content, whatever the handler writes: HEAD, 204, 304. */
  isBodyless = false;
  /** It is in the list of those that may send. */
  isReady = false;
  /** Bytes sent since `sendProgressMs`. */
  sentBytes = 0;
  sendProgressMs: number | undefined;

  hasLeft = false;
  onLeave: (() => void) | undefined = undefined;

  constructor(id: number, head: Http2Head, sendWindow: number) {
    this.id = id;
    this.head = head;
    this.sendWindow = sendWindow;
  }

  /** What has come of the body is of use: its time without progress begins anew. */
  noteBodyProgress(): void {
    this.#bodyQuietMs = 0;
    this.#bodyProgressAt = this.receivedBytes;
  }

  /**
   * Whether the body has had `progressMs` and has not brought `bodyProgressBytes` in them. Called in every
   * round; one in which this side held the client back does not count.
   */
  isBodyLate(nowMs: number, { progressMs, isHeldBack }: BodyTime): boolean {
    const roundMs = nowMs - (this.#bodyCountedMs ?? nowMs);
    this.#bodyCountedMs = nowMs;
    const broughtBytes = this.receivedBytes - this.#bodyProgressAt;
    if (broughtBytes >= bodyProgressBytes({ progressMs })) this.noteBodyProgress();
    else if (!isHeldBack) this.#bodyQuietMs += roundMs;
    return this.#bodyQuietMs > progressMs;
  }
}

/** How a stream has ended, because what may still come on it depends on that (RFC 9113, section 5.1). */
export const HowClosed = {
  /** The id was passed over, or it is too long ago. */
  unknown: 0,
  /** Both sides have ended it. */
  done: 1,
  /** The client has reset it. */
  resetByPeer: 2,
  /** This side has reset it: the client may go on sending until it knows. */
  cut: 3,
} as const;

/**
 * How the latest streams ended. Clients number streams one after the other, so a place for each of the last
 * ids holds them, at no cost for each stream. An id that its place has forgotten counts as one that was never
 * used.
 */
export class ClosedStreams {
  /** By place: half the id, which is odd, in the upper 30 bits and how it ended in the lower two. */
  #places: Uint32Array | undefined;

  /** @param how one of {@linkcode HowClosed} */
  note(id: number, how: number): void {
    const half = id >>> 1;
    // Connections that say nothing are many and need none.
    this.#places ??= new Uint32Array(PLACES);
    this.#places[half % PLACES] = (half << 2) | how;
  }

  /** @returns one of {@linkcode HowClosed} */
  of(id: number): number {
    const half = id >>> 1;
    const place = this.#places?.[half % PLACES] ?? 0;
    return place >>> 2 === half ? place & 3 : HowClosed.unknown;
  }
}
