/**
 * What a connection sends: what nobody has read yet has its place in the budget for answers, but for a few
 * KiB of each connection and for callers who have shown who they are; and a reader that takes nothing for too
 * long is found out.
 *
 * @module
 */

import type { ByteBudget, ByteChannel, WholeAnswer } from "../mod.ts";
import { type AnswerFraming, type AnswerLength, encodeAnswerHead } from "./answer_head.ts";

/** With more than this unread, streams wait and no further request is begun. */
export const UNREAD_BYTES_HIGH = 65_536;
/** What is smaller gives its place back with the next answer or the next round; larger at once. */
const LARGE_BYTES = 16_384;

/**
 * So much of what is unread needs no room in the budget: the heads of streams, the small pieces that follow,
 * and answers that are no larger than a refusal. Slow readers elsewhere must not end the streams of others.
 */
export const UNCOUNTED_BYTES_MAX = 4_096;

/** Bodies are copied behind the head up to here; larger ones are sent where they lie. */
const COPIED_BYTES_MAX = 65_536;

/** How a whole answer is sent. */
export interface WholeSending {
  readonly connection: AnswerFraming["connection"];
  /** Whether it answers HEAD: then its body is not sent. */
  readonly isToHead: boolean;
  /** A forced answer is small and needs no room. */
  readonly isForced: boolean;
}

/** See the module comment. */
export class Outgoing {
  readonly #channel: ByteChannel;
  readonly #budget: ByteBudget;
  #reservedBytes = 0;
  #writtenBytes = 0;
  #takenBytes = 0;
  #stalledSinceMs: number | undefined;
  #isSettling = false;
  /** What is for a caller that has shown who it is always finds room. */
  isTrusted = false;

  constructor(channel: ByteChannel, budget: ByteBudget) {
    this.#channel = channel;
    this.#budget = budget;
  }

  get isFull(): boolean {
    return this.#channel.pendingBytes > UNREAD_BYTES_HIGH;
  }

  get isEmpty(): boolean {
    return this.#channel.pendingBytes === 0;
  }

  /**
   * Makes room in the budget for `bytes` that are to be sent; `false` if there is none and they need it. What
   * needs none is counted all the same while there is room.
   */
  tryReserve(bytes: number): boolean {
    this.settle();
    if (!this.#budget.take(bytes)) return this.#needsNoRoom(bytes);
    this.#reservedBytes += bytes;
    return true;
  }

  /** Sends bytes for which there is room, or that are few. */
  write(bytes: Uint8Array): void {
    this.#writtenBytes += bytes.length;
    this.#channel.write(bytes);
    if (bytes.length >= LARGE_BYTES && !this.#isSettling) void this.#settleWhenRead();
  }

  /** Sends a whole answer; `false` when there is no room for it. */
  sendWhole(answer: WholeAnswer, { connection, isToHead, isForced }: WholeSending): boolean {
    const { status, body } = answer;
    const hasBody = !isToHead && status !== 204 && status !== 304 && body.length > 0;
    const isCopied = hasBody && body.length <= COPIED_BYTES_MAX;
    const framing = { length: wholeLength(answer), connection };
    const { bytes, end } = encodeAnswerHead(answer, framing, isCopied ? body.length : 0);
    const sentBytes = end + (hasBody ? body.length : 0);
    if (!isForced && !this.tryReserve(sentBytes)) return false;
    if (isCopied) bytes.set(body, end);
    this.write(bytes);
    if (hasBody && !isCopied) this.write(body);
    return true;
  }

  /** Resolves when streams may go on. */
  flushed(): Promise<void> {
    return this.#channel.flushed();
  }

  /** Gives back the places of what was read. */
  settle(): void {
    const freeBytes = this.#reservedBytes - this.#channel.heldBytes;
    if (freeBytes <= 0) return;
    this.#reservedBytes -= freeBytes;
    this.#budget.release(freeBytes);
  }

  /** Gives back everything: the connection has ended. */
  release(): void {
    if (this.#reservedBytes > 0) this.#budget.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  /** Whether there is something to read and nothing was read for `limitMs`. Called in every round. */
  isStalled(nowMs: number, limitMs: number): boolean {
    this.settle();
    const takenBytes = this.#writtenBytes - this.#channel.pendingBytes;
    if (this.isEmpty || takenBytes !== this.#takenBytes || this.#stalledSinceMs === undefined) {
      this.#takenBytes = takenBytes;
      this.#stalledSinceMs = nowMs;
    }
    return nowMs - this.#stalledSinceMs > limitMs;
  }

  #needsNoRoom(bytes: number): boolean {
    return this.isTrusted || this.#channel.pendingBytes + bytes <= UNCOUNTED_BYTES_MAX;
  }

  async #settleWhenRead(): Promise<void> {
    this.#isSettling = true;
    await this.#channel.flushed();
    this.#isSettling = false;
    this.settle();
  }
}

/** How long the body of an answer is, also of one that is not sent because of the method. */
function wholeLength({ status, body }: WholeAnswer): AnswerLength {
  if (status === 204) return { kind: "none" };
  return status === 304 ? { kind: "untold" } : { kind: "known", bytes: body.length };
}
