/**
 * What strangers may take of a node: times, counts and bytes. Each limit has a clear refusal and a counter.
 *
 * @module
 */

import type { CorsPolicy } from "./cors.ts";

/** The bounds of one listener. Times are in milliseconds. */
export interface HttpLimits {
  /** Connections at a time; at the bound one without an open request is closed for a new one. */
  readonly connectionsMax: number;
  /** Streams that an HTTP/2 connection may have open. */
  readonly streamsMax: number;
  /** Bytes of a head: request line and fields, or a header list as RFC 9113, section 6.5.2, counts it. */
  readonly headBytesMax: number;
  /** From accepting, or from the first byte of a further request, until a head is complete. */
  readonly headMs: number;
  /**
   * A body, or a reader of an answer, may be without progress for so long. For a body, progress is what
   * {@linkcode bodyProgressBytes} says.
   */
  readonly progressMs: number;
  /** A connection without an open request may be silent for so long. */
  readonly idleMs: number;
}

/** What a node starts with. */
export const HTTP_LIMITS: HttpLimits = {
  connectionsMax: 10_000,
  streamsMax: 1_000,
  headBytesMax: 65_536,
  headMs: 10_000,
  progressMs: 30_000,
  idleMs: 300_000,
};

/**
 * The least rate of a body, in bytes per second: 16 MiB may take 17 minutes, and not weeks. Slower links have
 * `progressMs` for each body, which is 480 KiB in its 30 s.
 */
export const BODY_BYTES_PER_SECOND_MIN = 16_384;

/**
 * Bytes that a body must bring, or else its end, before `progressMs` is over again; not asked of bodies for
 * patient handlers.
 */
export function bodyProgressBytes({ progressMs }: Pick<HttpLimits, "progressMs">): number {
  return Math.ceil(progressMs * BODY_BYTES_PER_SECOND_MIN / 1_000);
}

/**
 * Bodies that come in one piece need no room up to here, all of a connection together: that piece is held
 * anyway, and senders of large bodies must not keep small requests of others out.
 */
export const UNCOUNTED_BODY_BYTES_MAX = 4_096;

/** A share of memory: bodies under way and answers that are not read yet. */
export interface ByteBudget {
  /** Takes room for `bytes`; `false` if there is none, and nothing was taken then. */
  take(bytes: number): boolean;
  release(bytes: number): void;
}

/** A budget with a limit. A single taker always finds room in an empty one, however much it takes. */
export class ByteShare implements ByteBudget {
  readonly limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  take(bytes: number): boolean {
    if (this.usedBytes > 0 && this.usedBytes + bytes > this.limitBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.usedBytes -= bytes;
  }
}

/** What is counted, by reason, for metrics. */
export interface HttpMeters {
  /** A connection was accepted (1) or has ended (-1). */
  observeConnections(change: 1 | -1): void;
  /** A request or a connection was ended by a limit. */
  observeLimit(limit: HttpLimit): void;
}

/** Which limit it was. */
export type HttpLimit =
  | "connections"
  | "streams"
  | "head_bytes"
  | "head_time"
  | "body_time"
  | "idle"
  | "bodies"
  | "answers"
  | "flood";

/** What a connection of either version works with. */
export interface HttpContext {
  readonly limits: HttpLimits;
  readonly bodies: ByteBudget;
  readonly answers: ByteBudget;
  readonly meters: HttpMeters;
  /** Which pages may read answers; none may unless given, and nobody answers their preflights. */
  readonly cors?: CorsPolicy;
}
