/**
 * What a request under way and its connection know of each other.
 *
 * @module
 */

import type { HeaderPairs, HttpLimit, RequestHead, WholeAnswer } from "../mod.ts";
import type { AnswerFraming } from "./answer_head.ts";

/** A request under way, as its connection sees it. */
export interface Http1Exchange {
  /** Whether its body has no limit in time. */
  readonly isPatient: boolean;
  /** Whether part of its answer has gone out. */
  readonly hasStarted: boolean;
  /** Hands the request to its handler, or refuses it. Called once, before anything else. */
  open(): void;
  /** Takes a piece of the body, as a view; a promise holds further ones back. Never throws. */
  takeBody(piece: Uint8Array): void | Promise<void>;
  /** The body is complete. Never throws. */
  endBody(): void;
  /** The caller has gone before its answer was complete. Called once at most. Never throws. */
  leave(reason: unknown): void;
}

/** The connection of a request under way, as that sees it. */
export interface ExchangeHost {
  /** Sends a whole answer and ends the exchange. */
  answer(answer: WholeAnswer): void;
  /** Sends the head of a streamed answer. `false` if there is no room: then the connection is closed. */
  sendHead(head: { readonly status: number; readonly headers: HeaderPairs }, framing: AnswerFraming): boolean;
  /** Sends a part of a streamed answer. `false` if there is no room: then the connection is closed. */
  send(bytes: Uint8Array): boolean;
  /** What to wait for before more is sent, `undefined` if nothing. */
  room(): Promise<void> | undefined;
  /** The streamed answer is complete; `false` if only the end of the connection can say so. */
  ended(isDelimited: boolean): void;
  /** The answer cannot be completed. */
  broken(): void;
  /** What the head of an answer says about the connection, which is decided now. */
  connectionOption(): AnswerFraming["connection"];
  /**
   * Runs what nobody else would catch: what it throws closes the connection and gives the operator a line.
   *
   * @returns what `action` returns, `undefined` if it has thrown
   */
  guarded<Result>(action: () => Result): Result | undefined;
  noteLimit(limit: HttpLimit): void;
  /** See `AnswerStream.trust`. */
  trust(): void;
}

/** What an exchange needs of its request. */
export interface ExchangeRequest {
  readonly head: RequestHead;
  /** Bytes of the body, `undefined` if it comes in chunks. */
  readonly bodyBytes: number | undefined;
}
