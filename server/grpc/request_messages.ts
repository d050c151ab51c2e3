/**
 * The messages of a streamed request, from the chunks of its body to whoever reads them one by one. The body
 * is held back while there are messages that nobody has read, so a sender cannot fill the node's memory; what
 * is held of messages takes room in the node's budget for bodies.
 *
 * Invariant: what was taken of the budget is what is held, and all of it is given back in the end.
 *
 * @module
 */

import { invalidArgument } from "../api/mod.ts";
import { type UnfoldingContext, withMessage } from "./compression.ts";
import { type FramedMessage, MessageReader } from "./framing.ts";
import { takeRoom } from "../rpc/method/mod.ts";

/** See the module comment. One reader, one writer. */
export class RequestMessages implements AsyncIterable<Uint8Array> {
  readonly #context: UnfoldingContext;
  readonly #reader = new MessageReader();
  readonly #waiting: FramedMessage[] = [];
  #takenBytes = 0;
  /** Of the messages that wait, and of the one that is being read. */
  #waitingBytes = 0;
  #isComplete = false;
  #failure: unknown;
  /** Lets the reader look again. */
  #wakeReader: (() => void) | undefined;
  /** Lets the body go on. */
  #wakeBody: (() => void) | undefined;

  constructor(context: UnfoldingContext) {
    this.#context = context;
  }

  /** The next chunk of the body; resolves when the next one may come. Never throws. */
  push(chunk: Uint8Array): void | Promise<void> {
    if (this.#failure !== undefined || this.#isComplete) return;
    try {
      this.#account(this.#reader.heldBytes + this.#waitingBytes + chunk.length);
      const messages = this.#reader.push(chunk);
      for (const message of messages) this.#waitingBytes += message.bytes.length;
      this.#waiting.push(...messages);
      this.#account(this.#reader.heldBytes + this.#waitingBytes);
    } catch (error) {
      return this.fail(error);
    }
    this.#wakeReader?.();
    if (this.#waiting.length === 0) return;
    return new Promise((resolve) => this.#wakeBody = resolve);
  }

  /** The body is complete. */
  end(): void {
    if (this.#reader.heldBytes > 0) {
      this.fail(invalidArgument("Cannot read the request: its body ends within a message: send all of it"));
    }
    this.#isComplete = true;
    this.#wakeReader?.();
  }

  /** Nothing more is read: the reader gets `error`, what is held is let go. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#waiting.length = 0;
    this.#account(0);
    this.#wakeReader?.();
    this.#wakeBody?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const message = this.#waiting.shift();
      if (message !== undefined) {
        // What unfolds is held while it is unfolded and no longer: messages of streams become objects.
        yield await withMessage(message, this.#context, (bytes) => Promise.resolve(bytes));
        this.#letGo(message);
      } else if (this.#isComplete) return;
      else await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  #letGo(message: FramedMessage): void {
    if (this.#failure !== undefined) return;
    this.#waitingBytes -= message.bytes.length;
    this.#account(this.#reader.heldBytes + this.#waitingBytes);
    if (this.#waiting.length === 0) this.#wakeBody?.();
  }

  #account(bytes: number): void {
    const more = bytes - this.#takenBytes;
    if (more > 0) takeRoom(this.#context.bodies, more);
    else if (more < 0) this.#context.bodies.release(-more);
    this.#takenBytes = bytes;
  }
}
