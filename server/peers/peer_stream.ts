/**
 * One stream of one peer while it lasts: chunks in, a hello first, then batches; answers out.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { AnswerStream, BodySink } from "../http/mod.ts";
import { encodeEnd, encodeTaken, type StreamRefusal } from "./answer_codec.ts";
import { type Envelope, EnvelopeReader } from "./envelope.ts";

/** Above the bounds of everything a turn can hold for one peer. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024;
/** A hello is never longer, and before it nothing else is read. */
const HELLO_BYTES_MAX = 4 * 1024;
/** A stream without a hello for so long is ended. */
const HELLO_LIMIT_MS = 10_000;

/** The peer is one no more, and is told so (`peers/link.ts` reads the code). */
export class RemovedPeerError extends Error {
  override readonly name = "RemovedPeerError";
}

/** What becomes of what a stream brings. */
interface StreamOwner {
  /**
   * Judges the first message.
   *
   * @returns who speaks
   * @throws {RangeError} why the stream is refused
   * @throws {RemovedPeerError} when the peer was a member once
   */
  greet(message: Uint8Array): Promise<NodeId>;
  /** Takes a batch in; `message` may be a view into a larger chunk. */
  take(message: Uint8Array, from: NodeId): void;
  /** `undefined` when there is room for more, else resolves when there is. */
  room(): Promise<void> | undefined;
  /** The stream is over. */
  forget(): void;
}

/** See the module comment. */
export class PeerStream implements BodySink {
  readonly #answers: PeerAnswers;
  readonly #owner: StreamOwner;
  readonly #envelopes = new EnvelopeReader(HELLO_BYTES_MAX);
  readonly #helloLimit = setTimeout(() => this.close(), HELLO_LIMIT_MS);
  #from: NodeId | undefined;
  #isOver = false;

  constructor(answers: PeerAnswers, owner: StreamOwner) {
    this.#answers = answers;
    this.#owner = owner;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  chunk(bytes: Uint8Array): void | Promise<void> {
    if (this.#isOver) return;
    if (this.#from === undefined) return this.#greetAndTake(bytes);
    try {
      this.#takeAll(this.#envelopes.read(bytes), this.#from);
    } catch (error) {
      return this.#end(refusalOf(error));
    }
    return this.#owner.room();
  }

  end(): void {
    this.#end();
  }

  abort(): void {
    this.#answers.close();
    this.#leave();
  }

  /** Ends the stream from this side, and says why if there is a reason. */
  close(reason?: Error): void {
    this.#end(reason === undefined ? undefined : refusalOf(reason));
  }

  /** The hello's judgement takes time; what came behind it in the same chunk waits for it. */
  async #greetAndTake(bytes: Uint8Array): Promise<void> {
    try {
      const messages = this.#envelopes.read(bytes);
      const hello = messages.next();
      if (hello.done === true) return;
      if (hello.value.isEnd) return this.#end();
      const from = await this.#owner.greet(hello.value.message);
      if (this.#isOver) return this.#owner.forget();
      this.#from = from;
      this.#answers.trust();
      clearTimeout(this.#helloLimit);
      this.#envelopes.bytesMax = BATCH_BYTES_MAX;
      this.#answers.noteTaken();
      this.#takeAll(messages, from);
    } catch (error) {
      this.#end(refusalOf(error));
    }
  }

  #takeAll(messages: Iterable<Envelope>, from: NodeId): void {
    for (const { isEnd, message } of messages) {
      if (isEnd) return this.#end();
      this.#owner.take(message, from);
      this.#answers.noteTaken();
    }
    this.#answers.answerSoon();
  }

  #end(refusal?: StreamRefusal): void {
    this.#answers.end(refusal);
    this.#leave();
  }

  #leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#helloLimit);
    this.#owner.forget();
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RemovedPeerError) return "permission_denied";
  return error instanceof RangeError ? "invalid_argument" : "unavailable";
}

function refusalOf(error: unknown): StreamRefusal {
  return { code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
}

/**
 * What a node answers on a peer's stream: at once to the hello, then about once per heartbeat while something
 * arrives, so that the peer sees whether what it sends does. Nothing is said while nothing arrives.
 */
export class PeerAnswers {
  readonly #answer: AnswerStream;
  readonly #intervalMs: number;
  #taken = 0;
  #answeredMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isUnread = false;
  #isOver = false;

  /** @param intervalMs least time between two answers */
  constructor(answer: AnswerStream, intervalMs: number) {
    this.#answer = answer;
    this.#intervalMs = intervalMs;
    answer.start(200, [["content-type", "application/connect+proto"]]);
  }

  /** The peer has been let in. */
  trust(): void {
    this.#answer.trust();
  }

  /** One more batch was taken in. */
  noteTaken(): void {
    this.#taken++;
  }

  /** Bytes have arrived, whether or not a batch is complete with them. */
  answerSoon(): void {
    if (this.#isOver || this.#timer !== undefined || this.#taken === 0) return;
    const restMs = this.#answeredMs + this.#intervalMs - performance.now();
    if (restMs <= 0) return this.#say();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#say();
    }, restMs);
  }

  /** Nothing is answered any more. */
  end(refusal?: StreamRefusal): void {
    if (this.#isOver) return;
    this.close();
    void this.#answer.write(encodeEnd(refusal));
    this.#answer.end();
  }

  /** The peer has left: nothing more is said. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #say(): void {
    this.#answeredMs = performance.now();
    // A peer that does not read its answers gets no more of them until it does.
    if (this.#isUnread) return this.answerSoon();
    void this.#write(encodeTaken(this.#taken));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const room = this.#answer.write(bytes);
    if (room === undefined) return;
    this.#isUnread = true;
    await room;
    this.#isUnread = false;
  }
}
