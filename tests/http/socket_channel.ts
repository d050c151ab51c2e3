/**
 * A real socket as a channel of bytes, as plainly as can be, for tests of HTTP with clients of others.
 *
 * @module
 */

import type { RequestHead, StreamHandler, WholeHandler } from "../../server/http/exchange.ts";
import type { ByteChannel } from "../../server/http/protocol.ts";
import { Http2Connection } from "../../server/http/h2/mod.ts";
import { HTTP_LIMITS, type HttpLimits } from "../../server/http/limits.ts";
import { CountingBudget, QuickPatrol } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

/** See the module comment. */
class SocketChannel implements ByteChannel {
  readonly #socket: Deno.Conn;
  #queue: Uint8Array[] = [];
  #flushed: PromiseWithResolvers<void> | undefined;
  #isWriting = false;
  #isEnding = false;
  #isClosed = false;
  pendingBytes = 0;

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get heldBytes(): number {
    return this.pendingBytes;
  }

  async read(): Promise<Uint8Array | undefined> {
    const chunk = new Uint8Array(65_536);
    try {
      const length = await this.#socket.read(chunk);
      return length === null ? undefined : chunk.subarray(0, length);
    } catch (error) {
      if (this.#isClosed) return undefined;
      throw error;
    }
  }

  write(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#queue.push(bytes);
    this.pendingBytes += bytes.length;
    if (!this.#isWriting) void this.#writeAll();
  }

  flushed(): Promise<void> {
    if (this.pendingBytes === 0 || this.#isClosed) return Promise.resolve();
    this.#flushed ??= Promise.withResolvers();
    return this.#flushed.promise;
  }

  endWriting(): void {
    this.#isEnding = true;
    if (!this.#isWriting) void this.#writeAll();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
    this.#flushed?.resolve();
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      await Promise.resolve();
      while (this.#queue.length > 0) {
        const bytes = concatBytes(this.#queue);
        this.#queue = [];
        for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
        this.pendingBytes -= bytes.length;
      }
      if (this.#isEnding) await this.#socket.closeWrite();
    } catch {
      // The reading side learns that the connection is broken.
      this.pendingBytes = 0;
    }
    this.#isWriting = false;
    this.#flushed?.resolve();
    this.#flushed = undefined;
  }
}

/** What a test server answers with. */
export interface TestServerOptions {
  readonly route: (head: RequestHead) => WholeHandler | StreamHandler;
  readonly limits?: Partial<HttpLimits>;
}

/** Serves HTTP/2 on a free port of 127.0.0.1 until it is disposed of. */
export class Http2TestServer {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #options: TestServerOptions;
  readonly #serving = new Set<Promise<void>>();
  readonly connections = new Set<Http2Connection>();
  readonly bodies = new CountingBudget();
  readonly answers = new CountingBudget();
  readonly #accepting: Promise<void>;

  constructor(options: TestServerOptions) {
    this.#options = options;
    this.#accepting = this.#acceptAll();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.connections) connection.end();
    await Promise.all([this.#accepting, ...this.#serving]);
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const socket of this.#listener) this.#serve(socket);
    } catch {
      // Closed while it waited for the next one.
    }
  }

  #serve(socket: Deno.TcpConn): void {
    socket.setNoDelay(true);
    const connection = new Http2Connection({
      channel: new SocketChannel(socket),
      received: new Uint8Array(0),
      patrol: new QuickPatrol(),
      acceptedMs: performance.now(),
      router: { route: this.#options.route },
      context: {
        limits: { ...HTTP_LIMITS, ...this.#options.limits },
        bodies: this.bodies,
        answers: this.answers,
        meters: { observeConnections: () => {}, observeLimit: () => {} },
      },
      scheme: "http",
    });
    this.connections.add(connection);
    const serving = connection.serve().finally(() => this.connections.delete(connection));
    this.#serving.add(serving);
    void serving.finally(() => this.#serving.delete(serving));
  }
}
