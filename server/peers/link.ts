/**
 * One outgoing stream to one peer: a Connect streaming call that lasts as long as both nodes do. The peer's
 * answers on it say what has arrived; a stream that is not answered is given up, and a new one opened over a
 * new connection (`answer_watch.ts`).
 *
 * It is written by hand as a chunked HTTP/1.1 request over a TCP connection with Nagle's algorithm off,
 * because the built-in `fetch` leaves it on and a message behind an unacknowledged one would wait some 20 ms.
 *
 * ```
 * POST /prkdb.v1.RaftService/Deliver HTTP/1.1 …        one chunk a batch:
 * 0000012f\r\n │ envelope header (5 bytes) │ PeerBatch │ \r\n
 * ```
 *
 * Never blocks: what does not fit into the bounded buffer is refused, and so is everything before the peer
 * has answered to the hello: only then is it known that it listens. Batches handed over while a write is
 * under way leave together in the next one.
 *
 * @module
 */

import { WireWriter } from "../../proto/mod.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { PeerBatch, PeerHello } from "../ports/mod.ts";
import type { StreamAnswer } from "./answer_codec.ts";
import { AnswerReader } from "./answer_reader.ts";
import { AnswerWatch } from "./answer_watch.ts";
import { encodeHello, encodePeerBatch } from "./codec.ts";
import { ENVELOPE_HEADER_BYTES, putEnvelopeHeader } from "./envelope.ts";

/** Bytes that may wait for the peer to read; more than all append windows of a busy node together. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;
/** Or as long as answers may take, if that is less. */
const CONNECT_LIMIT_MS = 2_000;
/** A stream that lasted this long was sound: the next attempt comes soon. */
const STABLE_MS = 5_000;

/** Answers are a few bytes each. */
const ANSWER_BYTES = 4 * 1024;
/** In the refusal for a node that has been removed from the cluster (`peers/service.ts`). */
const REMOVED_CODE = "permission_denied";

/** Chunk size line: eight hexadecimal digits, then CR LF. */
const CHUNK_HEADER_BYTES = 10;
const HEX_DIGITS = "0123456789abcdef";
const BATCH_HEADER = new Uint8Array(CHUNK_HEADER_BYTES + ENVELOPE_HEADER_BYTES);
BATCH_HEADER.set([0x0d, 0x0a], CHUNK_HEADER_BYTES - 2);
const CHUNK_END = new TextEncoder().encode("\r\n");

const NOTHING: PeerBatch = { messages: [], calls: [], replies: [], leaderships: [], reminders: [] };

/** Where a peer serves. */
export interface PeerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** What happened to a link. */
export type LinkEvent =
  /** The peer has let this node in. */
  | { readonly kind: "connected"; readonly peer: NodeId }
  | { readonly kind: "lost"; readonly peer: NodeId; readonly reason: string; readonly openMs: number }
  /** The peer does not let this node in, and says why. */
  | { readonly kind: "refused"; readonly peer: NodeId; readonly reason: string }
  /** An attempt failed before the peer has said anything. */
  | { readonly kind: "unreachable"; readonly peer: NodeId; readonly reason: string }
  /** The peer says that this node was removed from the cluster. */
  | { readonly kind: "removed"; readonly by: NodeId };

/** What a link belongs to. */
export interface LinkOwner {
  /** Asked at each attempt to connect: what is known of the peer changes. */
  addressOf(peer: NodeId): PeerAddress;
  /** Made anew for each stream: what is known of the peer changes. */
  helloTo(peer: NodeId): PeerHello;
  take(event: LinkEvent): void;
}

/** To whom a link leads, and what it belongs to. */
export interface PeerLinkOptions {
  readonly peer: NodeId;
  readonly owner: LinkOwner;
  /** A stream whose batches are not answered for so long is given up, and so is an attempt to connect. */
  readonly answerLimitMs: number;
}

/** A connection, and what is known of the stream over it. */
interface Stream {
  readonly connection: Deno.TcpConn;
  readonly watch: AnswerWatch;
  readonly openedMs: number;
}

/** Why a stream is over. */
interface StreamEnd {
  readonly reason: string;
  readonly code?: string;
}

/** See the module comment. */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  #stream: Stream | undefined;
  #filling = new WireWriter();
  #writing = new WireWriter();
  #isWriting = false;
  #isWriteDue = false;
  #isClosed = false;
  #attemptedMs = 0;
  #backoffMs = BACKOFF_MS_MIN;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #dropped = 0;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  get peer(): NodeId {
    return this.#options.peer;
  }

  /** Whether a connection is open. */
  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** Whether the peer has answered on it, and goes on doing so. */
  get isReached(): boolean {
    return this.#stream?.watch.isReached ?? false;
  }

  /** Bytes waiting to be written. */
  get queuedBytes(): number {
    return this.#filling.length + (this.#isWriting ? this.#writing.length : 0);
  }

  /** Batches refused so far. */
  get droppedBatches(): number {
    return this.#dropped;
  }

  /** Starts connecting, and goes on doing so until closed. */
  open(): void {
    void this.#connect();
  }

  /** Takes a batch, or refuses it: the peer does not answer, or too much waits already. */
  send(batch: PeerBatch): boolean {
    const stream = this.#stream;
    if (stream?.watch.isReached !== true || this.#filling.length > QUEUE_BYTES_MAX) {
      this.#dropped++;
      return false;
    }
    this.#enqueue(stream, (writer) => encodePeerBatch(writer, batch));
    return true;
  }

  /**
   * Gives the stream up if what was sent is not answered; keeps an idle one talking, so that silence is
   * noticed.
   *
   * @param stalledMs how long this process has just done nothing at all
   */
  check(stalledMs: number): void {
    if (this.#stream === undefined) return;
    const { watch } = this.#stream;
    const nowMs = performance.now();
    watch.excuse(stalledMs);
    if (watch.isDead(nowMs)) this.#lose({ reason: "what was sent is not answered" });
    else if (watch.isReached && watch.isIdle(nowMs)) this.send(NOTHING);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#lose({ reason: "closed" });
  }

  async #connect(): Promise<void> {
    const { answerLimitMs, owner, peer } = this.#options;
    const address = owner.addressOf(peer);
    this.#attemptedMs = performance.now();
    let connection: Deno.TcpConn;
    try {
      connection = await connectWithin(address, Math.min(answerLimitMs, CONNECT_LIMIT_MS));
    } catch (error) {
      owner.take({ kind: "unreachable", peer, reason: reasonOf(error) });
      this.#retryLater();
      return;
    }
    if (this.#isClosed) return connection.close();
    connection.setNoDelay(true);
    const stream = { connection, watch: new AnswerWatch(answerLimitMs), openedMs: performance.now() };
    this.#stream = stream;
    this.#filling.reset();
    this.#filling.raw(requestHead(address));
    this.#enqueue(stream, (writer) => encodeHello(writer, owner.helloTo(peer)));
    void this.#listen(stream);
  }

  #enqueue({ watch }: Stream, encode: (writer: WireWriter) => void): void {
    watch.noteSent(performance.now());
    const writer = this.#filling;
    const start = writer.skip(BATCH_HEADER.length);
    encode(writer);
    writer.patch(start, batchHeader(writer.length - start - BATCH_HEADER.length));
    writer.raw(CHUNK_END);
    this.#writeSoon();
  }

  /** All that one turn has for the peer leaves in one write. */
  #writeSoon(): void {
    if (this.#isWriting || this.#isWriteDue) return;
    this.#isWriteDue = true;
    queueMicrotask(() => {
      this.#isWriteDue = false;
      if (!this.#isWriting) void this.#write();
    });
  }

  async #write(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#isWriting = true;
    try {
      while (this.#filling.length > 0 && this.#stream === stream) {
        [this.#filling, this.#writing] = [this.#writing, this.#filling];
        await writeAll(stream.connection, this.#writing.view());
        this.#writing.reset();
      }
    } catch (error) {
      if (this.#stream === stream) this.#lose({ reason: reasonOf(error) });
    } finally {
      this.#isWriting = false;
      this.#writing.reset();
      // A new stream may have been opened while the old one's last write was failing.
      if (this.#stream !== undefined && this.#filling.length > 0) this.#writeSoon();
    }
  }

  /** Hears the peer's answers until the stream is over. */
  async #listen(stream: Stream): Promise<void> {
    const end = await this.#hear(stream).catch((error): StreamEnd => ({ reason: reasonOf(error) }));
    if (this.#stream === stream) this.#lose(end);
  }

  async #hear(stream: Stream): Promise<StreamEnd> {
    const answers = new AnswerReader();
    const buffer = new Uint8Array(ANSWER_BYTES);
    for (;;) {
      const count = await stream.connection.read(buffer);
      if (count === null) return { reason: "the peer closed it" };
      for (const answer of answers.read(buffer.slice(0, count))) {
        if (this.#stream !== stream) return { reason: "closed" };
        const end = this.#take(answer, stream.watch);
        if (end !== undefined) return end;
      }
    }
  }

  #take(answer: StreamAnswer, watch: AnswerWatch): StreamEnd | undefined {
    if (answer.kind === "end") {
      const { refusal } = answer;
      return refusal === undefined
        ? { reason: "the peer ended it" }
        : { reason: refusal.message, code: refusal.code };
    }
    const wasReached = watch.isReached;
    watch.noteAnswer(answer.taken, performance.now());
    if (!wasReached && watch.isReached) this.#options.owner.take({ kind: "connected", peer: this.peer });
    return undefined;
  }

  #lose(end: StreamEnd): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#filling.reset();
    try {
      stream.connection.close();
    } catch {
      // Already closed by the runtime; there is nothing left to release.
    }
    const openMs = performance.now() - stream.openedMs;
    if (openMs > STABLE_MS) this.#backoffMs = BACKOFF_MS_MIN;
    this.#report(stream, end);
    this.#retryLater();
  }

  #report({ openedMs, watch }: Stream, { reason, code }: StreamEnd): void {
    const { owner, peer } = this.#options;
    if (watch.isReached) owner.take({ kind: "lost", peer, reason, openMs: performance.now() - openedMs });
    else owner.take({ kind: code === undefined ? "unreachable" : "refused", peer, reason });
    if (code === REMOVED_CODE) owner.take({ kind: "removed", by: peer });
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const backoffMs = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
    // An attempt that was not answered has taken its time: a link that is sound again is to be used soon.
    const attemptMs = performance.now() - this.#attemptedMs;
    const delayMs = Math.max(backoffMs - attemptMs, BACKOFF_MS_MIN);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), delayMs);
  }
}

function requestHead({ hostname, port }: PeerAddress): Uint8Array {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new TextEncoder().encode(
    `POST /prkdb.v1.RaftService/Deliver HTTP/1.1\r\nHost: ${host}:${port}\r\n` +
      "Content-Type: application/connect+proto\r\nConnect-Protocol-Version: 1\r\n" +
      "Transfer-Encoding: chunked\r\n\r\n",
  );
}

/** In front of a batch of `length` bytes: the head of its chunk, then that of its envelope. Used again. */
function batchHeader(length: number): Uint8Array {
  let rest = length + ENVELOPE_HEADER_BYTES;
  for (let at = CHUNK_HEADER_BYTES - 3; at >= 0; at--, rest >>>= 4) {
    BATCH_HEADER[at] = HEX_DIGITS.charCodeAt(rest & 0xf);
  }
  putEnvelopeHeader(BATCH_HEADER, CHUNK_HEADER_BYTES, { length });
  return BATCH_HEADER;
}

async function connectWithin({ hostname, port }: PeerAddress, limitMs: number): Promise<Deno.TcpConn> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new Error(`no connection after ${limitMs} ms`)), limitMs);
  try {
    return await Deno.connect({ hostname, port, signal: limit.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
