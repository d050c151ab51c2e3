/**
 * One outgoing stream to one peer: a Connect client-streaming call that lasts as long as both nodes do.
 *
 * It is written by hand as a chunked HTTP/1.1 request over a TCP connection with Nagle's algorithm off,
 * because the built-in `fetch` leaves it on and a message behind an unacknowledged one would wait some 20 ms.
 *
 * ```
 * POST /prkdb.v1.RaftService/Deliver HTTP/1.1 …        one chunk a batch:
 * 0000012f\r\n │ envelope header (5 bytes) │ PeerBatch │ \r\n
 * ```
 *
 * Never blocks: what does not fit into the bounded buffer is refused. Batches handed over while a write is
 * under way leave together in the next one.
 *
 * @module
 */

import { WireWriter } from "../../proto/mod.ts";
import type { NodeId } from "../../raft/mod.ts";
import type { PeerBatch, PeerHello } from "../ports/mod.ts";
import { encodeHello, encodePeerBatch } from "./codec.ts";
import { ENVELOPE_HEADER_BYTES, envelopeHeader } from "./envelope.ts";

/** Bytes that may wait for the peer to read; more than all append windows of a busy node together. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;
const CONNECT_LIMIT_MS = 2_000;
/** A stream that lasted this long was sound: the next attempt comes soon. */
const STABLE_MS = 5_000;

/** More than any refusal takes. */
const ANSWER_BYTES_MAX = 4 * 1024;
const REST_LIMIT_MS = 100;
/** In the refusal for a node that has been removed from the cluster (`peers/service.ts`). */
const REMOVED = '"code":"permission_denied"';

/** Chunk size line: eight hexadecimal digits, then CR LF. */
const CHUNK_HEADER_BYTES = 10;
const CHUNK_END = new TextEncoder().encode("\r\n");

/** Where a peer serves. */
export interface PeerAddress {
  readonly hostname: string;
  readonly port: number;
}

/** What happened to a link. */
export type LinkEvent =
  | { readonly kind: "connected"; readonly peer: NodeId }
  | { readonly kind: "lost"; readonly peer: NodeId; readonly reason: string; readonly openMs: number }
  /** A connection attempt failed. */
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
}

/** When a peer was heard last, and how long it may be silent. */
export interface SilenceCheck {
  /** By `performance.now()`; `-Infinity` if it never was. */
  readonly heardMs: number;
  readonly silentMs: number;
}

/** See the module comment. */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  #connection: Deno.TcpConn | undefined;
  #filling = new WireWriter();
  #writing = new WireWriter();
  #isWriting = false;
  #isWriteDue = false;
  #isClosed = false;
  #openedMs = 0;
  #backoffMs = BACKOFF_MS_MIN;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #dropped = 0;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
  }

  get peer(): NodeId {
    return this.#options.peer;
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
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

  /** Takes a batch, or refuses it: not connected, or too much waits already. */
  send(batch: PeerBatch): boolean {
    if (this.#connection === undefined || this.#filling.length > QUEUE_BYTES_MAX) {
      this.#dropped++;
      return false;
    }
    this.#enqueue((writer) => encodePeerBatch(writer, batch));
    return true;
  }

  /**
   * Gives the stream up as half-open if nothing was heard from the peer for `silentMs`; a new one is opened.
   */
  checkSilence({ heardMs, silentMs }: SilenceCheck): void {
    if (this.#connection === undefined) return;
    const lastMs = Math.max(this.#openedMs, heardMs);
    if (performance.now() - lastMs >= silentMs) this.#lose("nothing heard from it");
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#lose("closed");
  }

  async #connect(): Promise<void> {
    const { owner, peer } = this.#options;
    const address = owner.addressOf(peer);
    let connection: Deno.TcpConn;
    try {
      connection = await connectWithin(address, CONNECT_LIMIT_MS);
    } catch (error) {
      owner.take({ kind: "unreachable", peer, reason: reasonOf(error) });
      this.#retryLater();
      return;
    }
    if (this.#isClosed) return connection.close();
    connection.setNoDelay(true);
    this.#connection = connection;
    this.#openedMs = performance.now();
    this.#filling.reset();
    this.#filling.raw(requestHead(address));
    this.#enqueue((writer) => encodeHello(writer, owner.helloTo(peer)));
    void this.#watch(connection);
    owner.take({ kind: "connected", peer });
  }

  #enqueue(encode: (writer: WireWriter) => void): void {
    const writer = this.#filling;
    const start = writer.skip(CHUNK_HEADER_BYTES + ENVELOPE_HEADER_BYTES);
    encode(writer);
    const length = writer.length - start - CHUNK_HEADER_BYTES - ENVELOPE_HEADER_BYTES;
    writer.patch(start, chunkHeader(length + ENVELOPE_HEADER_BYTES));
    writer.patch(start + CHUNK_HEADER_BYTES, envelopeHeader(length));
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
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#isWriting = true;
    try {
      while (this.#filling.length > 0 && this.#connection === connection) {
        [this.#filling, this.#writing] = [this.#writing, this.#filling];
        await writeAll(connection, this.#writing.view());
        this.#writing.reset();
      }
    } catch (error) {
      if (this.#connection === connection) this.#lose(reasonOf(error));
    } finally {
      this.#isWriting = false;
      this.#writing.reset();
      // A new stream may have been opened while the old one's last write was failing.
      if (this.#connection !== undefined && this.#filling.length > 0) this.#writeSoon();
    }
  }

  /** The peer answers only when it ends the call: whatever can be read means that the stream is over. */
  async #watch(connection: Deno.TcpConn): Promise<void> {
    let reason = "the peer closed it";
    let isRemoved = false;
    try {
      const answer = await readAnswer(connection);
      if (answer !== "") reason = answer.split("\r\n")[0]!;
      isRemoved = answer.includes(REMOVED);
    } catch (error) {
      reason = reasonOf(error);
    }
    if (this.#connection !== connection) return;
    this.#lose(reason);
    if (isRemoved) this.#options.owner.take({ kind: "removed", by: this.peer });
  }

  #lose(reason: string): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#filling.reset();
    try {
      connection.close();
    } catch {
      // Already closed by the runtime; there is nothing left to release.
    }
    const openMs = performance.now() - this.#openedMs;
    if (openMs > STABLE_MS) this.#backoffMs = BACKOFF_MS_MIN;
    this.#options.owner.take({ kind: "lost", peer: this.peer, reason, openMs });
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const delayMs = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
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

function chunkHeader(length: number): Uint8Array {
  return new TextEncoder().encode(`${length.toString(16).padStart(CHUNK_HEADER_BYTES - 2, "0")}\r\n`);
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

/** The peer's answer, or as much of it as arrives soon after its beginning; empty when it only closes. */
async function readAnswer(connection: Deno.TcpConn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(ANSWER_BYTES_MAX);
  const first = await connection.read(buffer);
  if (first === null) return "";
  const answer = decoder.decode(buffer.subarray(0, first));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), REST_LIMIT_MS));
  // The body may come behind the headers; a peer that only closes the connection sends none.
  const rest = await Promise.race([connection.read(buffer), limit]).catch(() => null);
  clearTimeout(timer);
  return rest === null ? answer : answer + decoder.decode(buffer.subarray(0, rest));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
