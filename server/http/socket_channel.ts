/**
 * A TCP connection as a channel of bytes. This is the hot path, so it saves what costs: bytes are read into
 * blocks that are handed out in slices, and what is written in one turn goes out in one system call.
 *
 * A block starts small, because a silent connection holds one for as long as it is silent, and grows as long
 * as reads fill it. A slice that was handed out is never written to again, but it keeps its whole block
 * alive: whoever keeps bytes for long copies them.
 *
 * @module
 */

import { joinChunks, ownedBytes } from "./bytes.ts";
import type { ByteChannel } from "./protocol.ts";

const BLOCK_BYTES_MIN = 4_096;
/** A connection that has sent much and is silent now still holds a block of this size. */
const BLOCK_BYTES_MAX = 16_384;
/** With less room than this a new block is taken: a read into a tiny rest costs a call of its own. */
const ROOM_BYTES_MIN = 1_024;
/** Up to here pieces are copied into one write; copying more costs more than a second call. */
const JOIN_BYTES_MAX = 65_536;

/** What a channel needs of a connection: `Deno.TcpConn`, or a TLS connection in its place. */
export interface ByteSocket {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
}

/** See the module comment. Takes the socket over. */
export class SocketChannel implements ByteChannel {
  readonly #socket: ByteSocket;
  #block = new Uint8Array(BLOCK_BYTES_MIN);
  #blockAt = 0;
  #hasEnded = false;
  #isClosed = false;
  #isEndWanted = false;
  #failure: unknown;
  #queue: Uint8Array[] = [];
  #pendingBytes = 0;
  #heldBytes = 0;
  /** A flush waits for the end of this turn, or a write is under way. */
  #isBusy = false;
  /** The system has not taken all of what it was given. */
  #isWriting = false;
  #flushWaiters: (() => void)[] = [];

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  async read(): Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#hasEnded || this.#isClosed) return undefined;
    if (this.#block.length - this.#blockAt < ROOM_BYTES_MIN) this.#takeBlock(BLOCK_BYTES_MIN);
    const start = this.#blockAt;
    let count: number | null;
    try {
      count = await this.#socket.read(start === 0 ? this.#block : this.#block.subarray(start));
    } catch (error) {
      return this.#readFailed(error);
    }
    if (count === null) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#hasEnded = true;
      return undefined;
    }
    return this.#handOut(count);
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosed || this.#isEndWanted || bytes.length === 0) return;
    this.#queue.push(this.#isWriting ? ownedBytes(bytes) : bytes);
    this.#pendingBytes += bytes.length;
    this.#heldBytes += bytes.length;
    this.#flushSoon();
  }

  flushed(): Promise<void> {
    if (this.#pendingBytes === 0 || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#flushWaiters.push(resolve));
  }

  endWriting(): void {
    if (this.#isEndWanted || this.#isClosed) return;
    this.#isEndWanted = true;
    this.#flushSoon();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#queue = [];
    this.#pendingBytes = 0;
    this.#heldBytes = 0;
    try {
      this.#socket.close();
    } catch {
      // Already gone.
    }
    this.#wakeFlushWaiters();
  }

  /** Ends the connection because of `error`, which a pending read or the next one tells. */
  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#failure = error;
    this.close();
  }

  #readFailed(error: unknown): undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) return undefined;
    this.#fail(error);
    throw error;
  }

  #handOut(count: number): Uint8Array {
    const block = this.#block;
    const start = this.#blockAt;
    const bytes = block.subarray(start, start + count);
    this.#blockAt = start + count;
    // The read took all the room there was, so there is more to come than fits into blocks of this size.
    if (this.#blockAt === block.length) this.#takeBlock(count * 4);
    return bytes;
  }

  #takeBlock(wantedBytes: number): void {
    const length = Math.max(BLOCK_BYTES_MIN, Math.min(BLOCK_BYTES_MAX, wantedBytes));
    this.#block = new Uint8Array(length);
    this.#blockAt = 0;
  }

  #flushSoon(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    queueMicrotask(() => void this.#flush());
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const writes = joined(this.#queue);
        this.#queue = [];
        // What was written is let go at once, because the next write may take its time.
        for (let next = writes.shift(); next !== undefined && !this.#isClosed; next = writes.shift()) {
          this.#isWriting = true;
          const count = await this.#socket.write(next);
          this.#noteWritten(count);
          if (count < next.length) await this.#writeRest(next.subarray(count));
          this.#isWriting = false;
          if (!this.#isClosed) this.#heldBytes -= next.length;
        }
      }
      if (this.#isEndWanted && !this.#isClosed) await this.#socket.closeWrite();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#isBusy = this.#isEndWanted || this.#isClosed;
    this.#wakeFlushWaiters();
  }

  /** What the system did not take with the first call. */
  async #writeRest(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isClosed;) {
      const count = await this.#socket.write(bytes.subarray(at));
      this.#noteWritten(count);
      at += count;
    }
  }

  #noteWritten(count: number): void {
    if (!this.#isClosed) this.#pendingBytes -= count;
  }

  #wakeFlushWaiters(): void {
    if (this.#flushWaiters.length === 0) return;
    const waiters = this.#flushWaiters;
    this.#flushWaiters = [];
    for (const wake of waiters) wake();
  }
}

/** `pieces` in order, neighbours copied together as far as {@linkcode JOIN_BYTES_MAX} allows. */
function joined(pieces: Uint8Array[]): Uint8Array[] {
  if (pieces.length === 1) return pieces;
  const writes: Uint8Array[] = [];
  for (let from = 0; from < pieces.length;) {
    let length = pieces[from]!.length;
    let to = from + 1;
    while (to < pieces.length && length + pieces[to]!.length <= JOIN_BYTES_MAX) {
      length += pieces[to++]!.length;
    }
    writes.push(to === from + 1 ? pieces[from]! : joinChunks(pieces.slice(from, to), length));
    from = to;
  }
  return writes;
}
