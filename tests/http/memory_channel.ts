/**
 * A connection in memory, for tests of HTTP: what the test feeds is what the server reads, and what the
 * server writes is kept. The test decides when any of it is taken.
 *
 * @module
 */

import type { ByteChannel } from "../../server/http/protocol.ts";

/** See the module comment. */
export class MemoryChannel implements ByteChannel {
  readonly #incoming: Uint8Array[] = [];
  #reader: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #isPeerDone = false;
  #isBroken = false;
  #flushed: PromiseWithResolvers<void> | undefined;
  #written: Uint8Array[] = [];
  #isReading = true;
  /** Calls of `write`. */
  writes = 0;
  pendingBytes = 0;
  hasEndedWriting = false;
  isClosed = false;

  get heldBytes(): number {
    return this.pendingBytes;
  }

  /** What the server reads next. */
  feed(bytes: Uint8Array): void {
    this.#incoming.push(bytes);
    this.#wake();
  }

  /** The client has sent all. */
  endPeer(): void {
    this.#isPeerDone = true;
    this.#wake();
  }

  /** The connection breaks: reading fails. */
  breakOff(): void {
    this.#isBroken = true;
    this.#reader?.reject(new Error("connection reset"));
    this.#reader = undefined;
  }

  /** A client that does not read lets `pendingBytes` grow. */
  setReading(isReading: boolean): void {
    this.#isReading = isReading;
    if (isReading) this.#drain();
  }

  /** A client that reads this much and no more. */
  readSome(bytes: number): void {
    this.pendingBytes = Math.max(0, this.pendingBytes - bytes);
    if (this.pendingBytes > 0) return;
    this.#flushed?.resolve();
    this.#flushed = undefined;
  }

  /** All that was written since the last call. */
  takeWritten(): Uint8Array {
    const bytes = concatBytes(this.#written);
    this.#written = [];
    return bytes;
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.#isBroken) return Promise.reject(new Error("connection reset"));
    const next = this.#incoming.shift();
    if (next !== undefined || this.#isPeerDone || this.isClosed) return Promise.resolve(next);
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): void {
    this.writes++;
    if (this.isClosed || this.hasEndedWriting) return;
    this.#written.push(bytes);
    this.pendingBytes += bytes.length;
    if (this.#isReading) queueMicrotask(() => this.#drain());
  }

  flushed(): Promise<void> {
    if (this.pendingBytes === 0 || this.isClosed) return Promise.resolve();
    this.#flushed ??= Promise.withResolvers();
    return this.#flushed.promise;
  }

  endWriting(): void {
    this.hasEndedWriting = true;
  }

  close(): void {
    this.isClosed = true;
    this.#flushed?.resolve();
    this.#wake();
  }

  #drain(): void {
    if (!this.#isReading) return;
    this.pendingBytes = 0;
    this.#flushed?.resolve();
    this.#flushed = undefined;
  }

  #wake(): void {
    if (this.#reader === undefined) return;
    const reader = this.#reader;
    this.#reader = undefined;
    reader.resolve(this.#incoming.shift());
  }
}

/** One array of them all. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
