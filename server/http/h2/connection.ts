/**
 * The life of one HTTP/2 connection: from its first bytes to its end, and the times that limit it.
 *
 * ```
 * serving ──drain──▶ GOAWAY(all) ──pong or 1 s──▶ GOAWAY(last) ──no stream open──▶ ending
 *    └──error, limit────────────────────────────────────────────────────────────▶ ending
 * ending: the last answers and GOAWAY go out, half-close; what the client still sends is read for 1 s more
 *         and thrown away, because closing over unread bytes would destroy answers on their way
 * end() closes the channel at once, from wherever it is: its place is wanted for another connection
 * ```
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type {
  ByteChannel,
  ConnectionStart,
  HttpConnection,
  HttpContext,
  HttpLimit,
  Patrolled,
} from "../mod.ts";
import { Http2Code, type Http2CodeValue, Http2Error, STREAM_ID_MAX } from "./frame.ts";
import { Http2Session } from "./session.ts";

/** Clients behind a dead network path are found after this and the time for the answer. */
const PING_EVERY_MS = 60_000;
const PING_ANSWER_MS = 30_000;
/** Heads and acknowledgements are under no flow control: a client with so many unread is not listened to. */
const UNREAD_BYTES_MAX = 524_288;
/** How long what a client still sends is read after the end. */
const LINGER_MS = 1_000;
/** How long new streams are let in after the first GOAWAY, if the client does not answer a ping before. */
const DRAIN_NOTICE_MS = 1_000;

const logger = getLogger(["prkdb", "server"]);

/** What a connection works with. */
export interface Http2ConnectionOptions extends ConnectionStart {
  /** Milliseconds between pings while streams are open; 60,000 unless given. */
  readonly pingEveryMs?: number;
  /** Milliseconds for the answer to a ping; 30,000 unless given. */
  readonly pingAnswerMs?: number;
}

/** See the module comment. */
export class Http2Connection implements HttpConnection, Patrolled {
  readonly #options: Http2ConnectionOptions;
  readonly #channel: ByteChannel;
  readonly #context: HttpContext;
  readonly #session: Http2Session;
  readonly #pingEveryMs: number;
  readonly #pingAnswerMs: number;
  readonly #pings = new Uint8Array(8);
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #drainTimer: ReturnType<typeof setTimeout> | undefined;
  #state: "serving" | "draining" | "drained" | "ending" = "serving";
  /** When the head of a request began that is not complete; the first one begins with the connection. */
  #headSinceMs: number | undefined;
  /** When the last stream ended. */
  #idleSinceMs: number | undefined;
  #pingedMs = 0;
  /** The channel is closed. */
  #isOver = false;

  constructor(options: Http2ConnectionOptions) {
    const { channel, router, context, scheme } = options;
    this.#options = options;
    this.#channel = channel;
    this.#context = context;
    this.#pingEveryMs = options.pingEveryMs ?? PING_EVERY_MS;
    this.#pingAnswerMs = options.pingAnswerMs ?? PING_ANSWER_MS;
    const onEmpty = () => this.#endSoonIfDone();
    const onFailed = (error: unknown) => this.#failed(error);
    this.#session = new Http2Session({ channel, router, context, scheme, onEmpty, onFailed });
  }

  /** Requests that have come and are not answered. */
  get openStreams(): number {
    return this.#session.openStreams;
  }

  /** Whether a request of it was ever answered to its end. */
  get hasCompletedRequest(): boolean {
    return this.#session.hasCompletedRequest;
  }

  get idleSinceMs(): number | undefined {
    const isOpen = this.openStreams > 0 || this.#channel.pendingBytes > 0;
    return isOpen ? undefined : this.#idleSinceMs ?? Infinity;
  }

  get isTrusted(): boolean {
    return this.#session.isTrusted;
  }

  /** Serves the connection until it is over, in whatever way, and closes its channel. Never rejects. */
  async serve(): Promise<void> {
    this.#options.patrol.add(this);
    let reason = new Error("the client has closed its connection");
    try {
      this.#session.start();
      this.#feed(this.#options.received);
      await this.#readAll();
    } catch (error) {
      reason = new Error("the connection is broken", { cause: error });
    } finally {
      this.#isOver = true;
      this.#stopTimers();
      this.#session.lose(reason);
      this.#channel.close();
    }
  }

  /** Serves what is under way and nothing new, then ends (RFC 9113, section 6.8). */
  drain(): void {
    if (this.#state !== "serving") return;
    this.#state = "draining";
    this.#goAway(STREAM_ID_MAX, Http2Code.noError, "the server is stopping");
    this.#ping(performance.now());
    this.#drainTimer = setTimeout(() => this.#stopAccepting(), DRAIN_NOTICE_MS);
  }

  end(): void {
    if (this.#isOver) return;
    this.#state = "ending";
    this.#stopTimers();
    this.#session.lose(new Error("the connection was ended by the server"));
    this.#channel.close();
  }

  checkTime(nowMs: number): void {
    this.#guarded(() => {
      this.#session.tick(nowMs);
      if (this.#session.sender.isConnectionStalled(nowMs)) return this.#endByLimit("body_time");
      if (this.#isHeadLate(nowMs)) return this.#endByLimit("head_time");
      if (this.#isIdle(nowMs)) return this.#endByLimit("idle");
      this.#tickPing(nowMs);
    });
  }

  async #readAll(): Promise<void> {
    for (;;) {
      const chunk = await this.#channel.read();
      if (chunk === undefined) return;
      this.#feed(chunk);
      if (this.#channel.pendingBytes > UNREAD_BYTES_MAX) await this.#channel.flushed();
    }
  }

  #feed(chunk: Uint8Array): void {
    if (this.#state === "ending") return;
    this.#guarded(() => this.#session.push(chunk));
    if (this.#state === "draining" && !this.#session.isPingOpen) this.#stopAccepting();
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof Http2Error)) return this.#failed(error);
      if (error.code === Http2Code.enhanceYourCalm) this.#context.meters.observeLimit("flood");
      this.#end(error.code, error.message);
    }
  }

  #failed(error: unknown): void {
    logger.error("An HTTP/2 connection failed unexpectedly: {error}", { error: String(error) });
    this.#end(Http2Code.internalError, "the server has failed");
  }

  #stopAccepting(): void {
    if (this.#state !== "draining") return;
    this.#state = "drained";
    clearTimeout(this.#drainTimer);
    this.#session.stopAccepting();
    this.#goAway(this.#session.lastStreamId, Http2Code.noError, "the server is stopping");
    this.#endSoonIfDone();
  }

  /** The one who ended the last stream may have something to send first. */
  #endSoonIfDone(): void {
    this.#idleSinceMs = undefined;
    if (this.#state !== "drained" && !this.#session.isPeerLeaving) return;
    queueMicrotask(() => {
      const isDone = this.#state === "drained" || this.#session.isPeerLeaving;
      if (isDone && this.#session.openStreams === 0) this.#end(Http2Code.noError, "all is answered");
    });
  }

  #end(code: Http2CodeValue, reason: string): void {
    if (this.#state === "ending") return;
    this.#state = "ending";
    this.#session.lose(new Error(`the connection was ended by the server: ${reason}`));
    this.#goAway(this.#session.lastStreamId, code, reason);
    this.#stopTimers();
    this.#channel.endWriting();
    this.#linger();
  }

  /** Gives the last answers the time that a reader may be without progress, then the client time to end. */
  #linger(): void {
    const close = () => this.#channel.close();
    this.#lingerTimer = setTimeout(close, this.#context.limits.progressMs);
    void this.#channel.flushed().then(() => {
      clearTimeout(this.#lingerTimer);
      if (!this.#isOver) this.#lingerTimer = setTimeout(close, LINGER_MS);
    });
  }

  #goAway(lastStreamId: number, code: Http2CodeValue, reason: string): void {
    this.#session.writer.goAway(lastStreamId, code, reason);
    this.#session.writer.flush();
  }

  #stopTimers(): void {
    this.#options.patrol.delete(this);
    clearTimeout(this.#drainTimer);
    clearTimeout(this.#lingerTimer);
  }

  #endByLimit(limit: HttpLimit): void {
    this.#context.meters.observeLimit(limit);
    if (limit === "body_time") {
      // Who has read nothing for so long does not read a farewell either.
      return this.end();
    }
    this.#end(Http2Code.noError, limit === "idle" ? "no request for too long" : "no head within its time");
  }

  #isHeadLate(nowMs: number): boolean {
    const hasBegun = this.#session.lastStreamId > 0;
    if (!this.#session.isWithinHead && hasBegun) this.#headSinceMs = undefined;
    else this.#headSinceMs ??= hasBegun ? nowMs : this.#options.acceptedMs;
    return nowMs - (this.#headSinceMs ?? nowMs) > this.#context.limits.headMs;
  }

  #isIdle(nowMs: number): boolean {
    if (this.#session.openStreams > 0) this.#idleSinceMs = undefined;
    else this.#idleSinceMs ??= nowMs;
    return nowMs - (this.#idleSinceMs ?? nowMs) > this.#context.limits.idleMs;
  }

  #tickPing(nowMs: number): void {
    if (this.#session.isPingOpen) {
      if (nowMs - this.#pingedMs > this.#pingAnswerMs) this.#endByLimit("idle");
      return;
    }
    const isDue = nowMs - Math.max(this.#pingedMs, this.#options.acceptedMs) > this.#pingEveryMs;
    if (isDue && this.#session.openStreams > 0) this.#ping(nowMs);
  }

  #ping(nowMs: number): void {
    this.#pingedMs = nowMs;
    if (this.#session.isPingOpen) return;
    this.#session.isPingOpen = true;
    this.#pings[0] = this.#pings[0]! + 1;
    this.#session.writer.ping(this.#pings, false);
    this.#session.writer.flush();
  }
}
