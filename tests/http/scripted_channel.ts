/**
 * A connection without a network: a test says what comes and when, and reads what went out. Everything that
 * is due has happened after `allSettled`.
 *
 * @module
 */

import type { ByteChannel } from "../../server/http/mod.ts";

const encoder = new TextEncoder();

/** See the module comment. */
export class ScriptedChannel implements ByteChannel {
  readonly #arrived: (Uint8Array | undefined)[] = [];
  #reader: ((bytes: Uint8Array | undefined) => void) | undefined;
  #breakReader: ((error: Error) => void) | undefined;
  #failure: Error | undefined;
  #sent = "";
  #pendingBytes = 0;
  #flushWaiters: (() => void)[] = [];
  /** Whether the other side reads; what it does not read stays pending. */
  isRead = true;
  hasEndedWriting = false;
  isClosed = false;

  /** What has gone out, one character a byte. */
  get sent(): string {
    return this.#sent;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get heldBytes(): number {
    return this.#pendingBytes;
  }

  /** Bytes, or text of characters below 256, come in as one chunk. */
  arrive(bytes: Uint8Array | string): void {
    this.#deliver(typeof bytes === "string" ? latinBytes(bytes) : bytes);
  }

  /** The other side ends. */
  arriveEnd(): void {
    this.#deliver(undefined);
  }

  /** The connection breaks. */
  breakOff(): void {
    this.#failure = new Error("connection reset");
    this.#breakReader?.(this.#failure);
  }

  /** The other side reads some of what is pending. */
  take(bytes: number): void {
    this.#pendingBytes = Math.max(0, this.#pendingBytes - bytes);
    if (this.#pendingBytes === 0) this.takeAll();
  }

  /** The other side reads everything that is pending. */
  takeAll(): void {
    this.#pendingBytes = 0;
    for (const wake of this.#flushWaiters.splice(0)) wake();
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.isClosed) return Promise.resolve(undefined);
    if (this.#arrived.length > 0) {
      const next = this.#arrived[0];
      if (next !== undefined) this.#arrived.shift();
      return Promise.resolve(next);
    }
    return new Promise((resolve, reject) => {
      this.#reader = resolve;
      this.#breakReader = reject;
    });
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || this.hasEndedWriting) return;
    for (const byte of bytes) this.#sent += String.fromCharCode(byte);
    if (!this.isRead) this.#pendingBytes += bytes.length;
  }

  flushed(): Promise<void> {
    if (this.#pendingBytes === 0 || this.isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#flushWaiters.push(resolve));
  }

  endWriting(): void {
    this.hasEndedWriting = true;
  }

  close(): void {
    this.isClosed = true;
    this.takeAll();
    this.#reader?.(undefined);
  }

  #deliver(bytes: Uint8Array | undefined): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader !== undefined && bytes !== undefined) reader(bytes);
    else {
      this.#arrived.push(bytes);
      reader?.(undefined);
    }
  }
}

/** Lets everything happen that needs no further input. */
export async function allSettled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Text of characters below 256 as bytes, one each. */
export function latinBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Text as UTF-8. */
export function utf8Bytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}
