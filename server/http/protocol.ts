/**
 * What a listener knows of a version of HTTP: how to start it on a connection, and how to end it in peace;
 * and what a version of HTTP knows of the connection.
 *
 * @module
 */

import type { HttpRouter } from "./exchange.ts";
import type { HttpContext } from "./limits.ts";
import type { Patrol } from "./patrol.ts";

/** What a client of HTTP/2 sends first (RFC 9113, section 3.4), one character for each byte. */
export const HTTP2_PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/**
 * One accepted connection as both versions of HTTP read and write it: chunks in, chunks out, and how much of
 * what was written nobody has read yet.
 */
export interface ByteChannel {
  /**
   * What comes next, `undefined` when the other side has ended. The bytes belong to the caller. Rejects when
   * the connection is broken.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Queues bytes, which must not be written to afterwards; what is queued in one turn of the loop goes out as
   * one write. Never throws.
   */
  write(bytes: Uint8Array): void;
  /** Bytes that were queued and not taken by the operating system yet. */
  readonly pendingBytes: number;
  /**
   * Bytes of memory that these hold: a piece that was taken in part is held as a whole, and so is, uncounted,
   * the block of the piece that is being written. Never less than {@linkcode pendingBytes}.
   */
  readonly heldBytes: number;
  /** Resolves when {@linkcode pendingBytes} is 0 or the channel is closed. */
  flushed(): Promise<void>;
  /** Half-close: what is queued goes out, then the end; the other side may still send. */
  endWriting(): void;
  /** Whether it has ended in both directions: it was closed, or has broken, which reading would tell. */
  readonly isClosed: boolean;
  /** Ends both directions at once; pending reads resolve as at the end. */
  close(): void;
}

/** A connection that speaks one version of HTTP until it ends. */
export interface HttpConnection {
  /** Serves until the connection has ended; the channel is closed then. Never rejects. */
  serve(): Promise<void>;
  /** Takes no further request in, and ends as soon as those under way are answered. May be called again. */
  drain(): void;
  /** Ends it at once: what is under way is aborted, also answers that have begun. May be called again. */
  end(): void;
  /** Whether a request of it was ever read whole and answered. */
  readonly hasCompletedRequest: boolean;
  /**
   * Since when no request is open, by `performance.now()` and to a round of the patrol; `Infinity` if that is
   * too short a while ago for any round. `undefined` while one is open or its answer is not read.
   */
  readonly idleSinceMs: number | undefined;
  /** See `AnswerStream.trust`. */
  readonly isTrusted: boolean;
}

/** What a connection is started with. */
export interface ConnectionStart {
  readonly channel: ByteChannel;
  /** What was read to find out the version; at least one byte unless the other side has sent none. */
  readonly received: Uint8Array;
  readonly router: HttpRouter;
  readonly context: HttpContext;
  /** Tells connections the time. */
  readonly patrol: Pick<Patrol, "add" | "delete">;
  readonly scheme: "http" | "https";
  /** When it was accepted, by `performance.now()`: the time for the first head runs from then on. */
  readonly acceptedMs: number;
}

/** Starts a version of HTTP on a connection. */
export type HttpProtocol = (start: ConnectionStart) => HttpConnection;
