/**
 * One connection that speaks HTTP/1.1 or 1.0: requests one after the other, each answered before the next one
 * is looked at, so that answers to pipelined requests go out in order.
 *
 * ```
 *          ┌────────────── answered, connection kept ─────────────┐
 *          ▼                                                      │
 *        head ── head complete ──→ body ── body complete ──→ answer
 *          │                        │                           │
 *          └─ refused, too late ────┴─ answered early ──────────┴─ not kept ──→ closing ──→ closed
 * ```
 *
 * It is long because every step reads and sets the same phase, and is safe only in view of the others.
 *
 * A read is pending also while a handler works, because it tells when the caller has gone; what it brings is
 * kept, up to a bound, behind which a caller that has gone is noticed after `progressMs`. In `closing` the
 * answer goes out, then the end, and what the client still sends is passed over for a while: a connection
 * that is closed with bytes unread is reset, and the answer with it (RFC 9112, section 9.6).
 *
 * @module
 */

import {
  bodyProgressBytes,
  type ConnectionStart,
  type HeaderPairs,
  type HttpConnection,
  type HttpContext,
  type HttpLimit,
  type Patrolled,
  type WholeAnswer,
} from "../mod.ts";
import { type AnswerFraming, encodeAnswerHead } from "./answer_head.ts";
import type { ExchangeHost, Http1Exchange } from "./exchange_host.ts";
import { exchangeFor } from "./exchange_for.ts";
import type { HeadFault, ParsedHead } from "./message/mod.ts";
import { Outgoing } from "./outgoing.ts";
import {
  bodyTooLate,
  headTooLate,
  logBrokenConnection,
  NO_ROOM_FOR_ANSWER,
  NO_ROOM_FOR_HEAD,
  textAnswer,
} from "./own_answers.ts";
import { QuietTime } from "./quiet_time.ts";
import { RequestInput } from "./request_input.ts";

/** What a client may send behind an early answer before it is cut off, in bytes and in time. */
const LINGER_BYTES_MAX = 262_144;
const LINGER_MS = 1_000;
/**
 * So long a drained connection waits for a request that was on its way already: it is answered, with the word
 * that it was the last one, instead of being lost.
 */
const DRAIN_NOTICE_MS = 100;
/**
 * A caller that has ended its side may have gone altogether, which looks the same. It is taken for gone when
 * a streamed answer that has begun has nothing to say for so long, any other is not there in `progressMs`.
 */
const HALF_CLOSED_QUIET_MS = 1_000;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** Where a connection stands: see the drawing. */
type Phase = "head" | "body" | "answer" | "closing" | "closed";

/** See the module comment. */
export class Http1Connection implements HttpConnection, ExchangeHost, Patrolled {
  readonly #start: ConnectionStart;
  readonly #context: HttpContext;
  readonly #out: Outgoing;
  readonly #input: RequestInput;
  readonly #quiet: QuietTime;
  #phase: Phase = "head";
  #exchange: Http1Exchange | undefined;
  /** The handler has taken a piece of the body and wants no further one yet. */
  #isHeld = false;
  #isAdvancing = false;
  #isHalfClosed = false;
  #isDraining = false;
  /** Requests behind the one under way are given up. */
  #isDeaf = false;
  /** Since when reading waits behind an answer. */
  #unreadSinceMs: number | undefined;
  /** Of the request under way. */
  #keepsAlive = true;
  #isOldClient = false;
  #isHeadMethod = false;
  /** Of the page that asks; `null` if none does. */
  #origin: string | null = null;
  #hasCompletedRequest = false;
  #passedOverBytes = 0;
  #wakeReader: (() => void) | undefined;
  #wakeServer: (() => void) | undefined;

  constructor(start: ConnectionStart) {
    this.#start = start;
    this.#context = start.context;
    this.#out = new Outgoing(start.channel, start.context.answers);
    this.#input = new RequestInput(start.scheme, start.context);
    this.#quiet = new QuietTime(start.context.limits, start.acceptedMs);
  }

  get hasCompletedRequest(): boolean {
    return this.#hasCompletedRequest;
  }

  get isTrusted(): boolean {
    return this.#out.isTrusted;
  }

  get idleSinceMs(): number | undefined {
    const isOpen = this.#phase === "body" || this.#phase === "answer" || !this.#out.isEmpty;
    return isOpen ? undefined : this.#quiet.sinceMs ?? Infinity;
  }

  async serve(): Promise<void> {
    this.#start.patrol.add(this);
    try {
      const { received } = this.#start;
      if (received.length > 0) this.guarded(() => this.#receive(received));
      await this.#readAll();
      if (this.#isClosed()) return;
      this.guarded(() => this.#inputEnded());
      if (!this.#isClosed()) await new Promise<void>((resolve) => this.#wakeServer = resolve);
    } catch (error) {
      this.#close(error);
    }
  }

  drain(): void {
    this.guarded(() => this.#drain());
  }

  end(): void {
    this.#close("the node has ended the connection");
  }

  checkTime(nowMs: number): void {
    this.guarded(() => this.#checkTime(nowMs));
  }

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    if (this.#isBetweenRequests()) setTimeout(() => this.guarded(() => this.#endIfIdle()), DRAIN_NOTICE_MS);
  }

  #endIfIdle(): void {
    if (this.#isBetweenRequests()) this.#beginClosing();
  }

  #isBetweenRequests(): boolean {
    return this.#phase === "head" && this.#input.isEmpty;
  }

  #checkTime(nowMs: number): void {
    const { headMs, progressMs, idleMs } = this.#context.limits;
    if (this.#start.channel.isClosed) return this.#close("the connection is broken");
    this.#checkDeafness(nowMs, progressMs);
    if (this.#out.isStalled(nowMs, progressMs)) return this.#giveUp("body_time");
    const quietMs = this.#quiet.at(nowMs);
    switch (this.#phase) {
      case "head":
        return this.#checkHead(quietMs, { headMs, idleMs });
      case "body":
        if (this.#isHeld) return this.#checkHalfClosed(quietMs, progressMs);
        if (quietMs > progressMs && this.#exchange?.isPatient !== true) this.#bodyIsLate();
        return;
      case "answer":
        return this.#checkHalfClosed(quietMs, progressMs);
      case "closing":
        if (!this.#out.isEmpty) this.#quiet.restart();
        else if (quietMs > LINGER_MS) this.#close("the client did not end the connection");
        return;
      case "closed":
        return;
    }
  }

  // What exchanges ask for.

  answer(answer: WholeAnswer): void {
    if (this.#phase === "body") this.#passOverBody();
    if (this.#phase === "body") this.#keepsAlive = false;
    if (!this.#sendWhole(answer)) this.#sendWhole(NO_ROOM_FOR_ANSWER, { isForced: true });
    this.ended(true);
  }

  sendHead(
    head: { readonly status: number; readonly headers: HeaderPairs },
    framing: AnswerFraming,
  ): boolean {
    const { status, headers } = head;
    return this.send(encodeAnswerHead({ status, headers: this.#admitted(headers) }, framing).bytes);
  }

  send(bytes: Uint8Array): boolean {
    if (this.#phase === "closed") return false;
    if (!this.#out.tryReserve(bytes.length)) {
      this.#giveUp("answers");
      return false;
    }
    this.#out.write(bytes);
    if (this.#phase === "answer") this.#quiet.restart();
    return true;
  }

  room(): Promise<void> | undefined {
    return this.#out.isFull ? this.#out.flushed() : undefined;
  }

  trust(): void {
    this.#out.isTrusted = true;
  }

  ended(isDelimited: boolean): void {
    this.#exchange = undefined;
    this.#isHeld = false;
    this.#hasCompletedRequest = true;
    if (!isDelimited) this.#keepsAlive = false;
    if (this.#phase === "body") this.#passOverBody();
    if (this.#phase === "answer") this.#nextRequest();
    else if (this.#phase === "body") this.#beginClosing();
  }

  broken(): void {
    this.#exchange = undefined;
    this.#close("the answer could not be completed");
  }

  connectionOption(): AnswerFraming["connection"] {
    // A client takes the connection of an answer that is complete for free, unless it is told otherwise; and
    // an answer that begins early may end early.
    if (this.#isDraining || this.#lacksBody()) this.#keepsAlive = false;
    if (!this.#keepsAlive) return "close";
    return this.#isOldClient ? "keep-alive" : undefined;
  }

  #lacksBody(): boolean {
    return this.#phase === "body" && !this.#input.isBodyHere;
  }

  guarded<Result>(action: () => Result): Result | undefined {
    try {
      return action();
    } catch (error) {
      logBrokenConnection(error);
      this.#close(error);
      return undefined;
    }
  }

  noteLimit(limit: HttpLimit): void {
    this.#context.meters.observeLimit(limit);
  }

  // Reading.

  /** Resolves when the other side has ended or the connection is closed; rejects when it is broken. */
  async #readAll(): Promise<void> {
    while (!this.#isClosed()) {
      if (!this.#input.hasRoom) {
        await new Promise<void>((resolve) => this.#wakeReader = resolve);
        continue;
      }
      const bytes = await this.#start.channel.read();
      if (bytes === undefined) return;
      this.guarded(() => this.#receive(bytes));
    }
  }

  /** Asked behind a function because everything that is awaited may change it. */
  #isClosed(): boolean {
    return this.#phase === "closed";
  }

  #receive(bytes: Uint8Array): void {
    if (this.#phase === "closing" || this.#isDeaf) return this.#passOver(bytes.length);
    if (this.#phase === "head" && this.#input.isEmpty && this.#hasCompletedRequest) {
      this.#quiet.restart();
    }
    this.#input.add(bytes);
    this.#advance();
  }

  /** Uses what was read as far as possible. Called from within itself it does nothing: it goes on anyway. */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      while (this.#step()) {
        // Each step uses bytes or changes the phase.
      }
    } finally {
      this.#isAdvancing = false;
    }
    if (this.#wakeReader !== undefined && (this.#input.hasRoom || this.#isClosed())) this.#wakeReaderNow();
  }

  #wakeReaderNow(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake?.();
  }

  #step(): boolean {
    switch (this.#phase) {
      case "head":
        return this.#readHead();
      case "body":
        return this.#readBody();
      default:
        return false;
    }
  }

  #readHead(): boolean {
    if (this.#input.isEmpty) return false;
    if (this.#out.isFull) {
      this.#whenFlushed(() => this.#advance());
      return false;
    }
    const read = this.#input.nextHead();
    if (read === "more") {
      if (this.#isHalfClosed) this.#beginClosing();
      return false;
    }
    if (read === "noRoom") {
      this.noteLimit("bodies");
      this.#answerAndClose(NO_ROOM_FOR_HEAD);
      return false;
    }
    if (read.kind === "fault") return this.#refuse(read);
    this.#begin(read);
    return true;
  }

  #begin(parsed: ParsedHead): void {
    const { head, framing } = parsed;
    this.#keepsAlive = framing.keepsAlive;
    this.#isOldClient = head.version === "1.0";
    this.#isHeadMethod = head.method === "HEAD";
    this.#origin = this.#context.cors === undefined ? null : head.headers.get("origin");
    this.#input.beginBody(framing.bodyBytes);
    this.#quiet.restart();
    this.#phase = "body";
    const { router } = this.#start;
    const exchange = exchangeFor(parsed, { router, host: this, context: this.#context });
    this.#exchange = exchange;
    exchange.open();
    const isWaiting = framing.awaitsContinue && this.#input.isEmpty && !this.#input.isBodyComplete;
    if (isWaiting && this.#exchange === exchange && !exchange.hasStarted) this.#out.write(CONTINUE);
  }

  #readBody(): boolean {
    if (this.#isHeld) return false;
    const piece = this.#input.nextPiece();
    if (piece !== undefined) {
      this.#giveBody(piece);
      return true;
    }
    if (this.#input.bodyFault !== undefined) return this.#refuse(this.#input.bodyFault);
    if (!this.#input.isBodyComplete) {
      if (this.#isHalfClosed) this.#endedEarly();
      return false;
    }
    this.#phase = "answer";
    this.#quiet.restart();
    this.#exchange?.endBody();
    return true;
  }

  #giveBody(piece: Uint8Array): void {
    this.#quiet.noteBody(piece.length);
    const exchange = this.#exchange;
    const held = exchange?.takeBody(piece);
    if (held === undefined || this.#exchange !== exchange) return;
    this.#isHeld = true;
    void held.then(() => this.guarded(() => this.#goOn(exchange)));
  }

  /** The handler wants more. */
  #goOn(exchange: Http1Exchange | undefined): void {
    if (this.#exchange !== exchange) return;
    this.#isHeld = false;
    this.#quiet.restart();
    this.#advance();
  }

  /** The answer is there: of the body, what has come is passed over, which may be all of it. */
  #passOverBody(): void {
    while (this.#input.nextPiece() !== undefined) {
      // Nobody wants it.
    }
    if (this.#input.isBodyComplete) this.#phase = "answer";
  }

  #nextRequest(): void {
    if (!this.#keepsAlive || this.#isDraining) return this.#beginClosing();
    this.#phase = "head";
    this.#quiet.restart();
    if (this.#isHalfClosed && this.#input.isEmpty) this.#beginClosing();
    else this.#advance();
  }

  // Ending.

  #inputEnded(): void {
    this.#isHalfClosed = true;
    switch (this.#phase) {
      case "head":
        // Part of a head is no request; a whole one waits until the answers before it are read.
        if (this.#input.isEmpty || this.#input.isHeadPartial) this.#beginClosing();
        return;
      case "body":
        this.#quiet.restart();
        // The rest may be here already, and wait for the handler.
        if (this.#input.isBodyBroken) this.#endedEarly();
        return;
      case "closing":
        return this.#closeWhenRead();
      default:
        return;
    }
  }

  #endedEarly(): void {
    if (this.#input.isBodyComplete) return;
    const reason = "the client ended the connection before its request";
    if (this.#exchange?.hasStarted === true) return this.#close(reason);
    this.#leave(reason);
    // Answers to requests before this one may be on their way.
    this.#beginClosing();
  }

  #refuse({ status, reason }: HeadFault): false {
    const hasStarted = this.#exchange?.hasStarted === true;
    if (status === 431) this.noteLimit("head_bytes");
    this.#leave(reason);
    if (hasStarted) this.#close(reason);
    else this.#answerAndClose(textAnswer(status, reason));
    return false;
  }

  #bodyIsLate(): void {
    this.noteLimit("body_time");
    const hasStarted = this.#exchange?.hasStarted === true;
    const { limits } = this.#context;
    this.#leave(`its body made no progress for ${limits.progressMs} ms`);
    if (hasStarted) this.#close("its body made no progress");
    else this.#answerAndClose(bodyTooLate({ bytes: bodyProgressBytes(limits), ms: limits.progressMs }));
  }

  #checkHead(
    quietMs: number,
    { headMs, idleMs }: { readonly headMs: number; readonly idleMs: number },
  ): void {
    // Bytes that wait because answers are unread are no head that is late.
    const isBegun = this.#input.isEmpty ? !this.#hasCompletedRequest : this.#input.isHeadPartial;
    if (isBegun && quietMs > headMs) {
      this.noteLimit("head_time");
      if (this.#input.isEmpty) this.#close("it sent nothing");
      else this.#answerAndClose(headTooLate(headMs));
    } else if (!this.#out.isEmpty) {
      this.#quiet.restart();
    } else if (quietMs > idleMs && this.#input.isEmpty) {
      this.noteLimit("idle");
      this.#beginClosing();
    }
  }

  /**
   * So many requests wait behind an answer that nothing more is read, and nobody would notice that the caller
   * has gone. When that lasts they are given up: the connection ends with the answer under way.
   */
  #checkDeafness(nowMs: number, limitMs: number): void {
    if (this.#phase !== "answer" || this.#input.hasRoom || this.#isHalfClosed) {
      this.#unreadSinceMs = undefined;
      return;
    }
    if (nowMs - (this.#unreadSinceMs ??= nowMs) <= limitMs) return;
    this.#keepsAlive = false;
    this.#isDeaf = true;
    this.#passOver(this.#input.clear());
    this.#wakeReaderNow();
  }

  #checkHalfClosed(quietMs: number, progressMs: number): void {
    if (!this.#isHalfClosed) return;
    // After its end a channel tells of nothing but of being broken.
    this.#start.channel.read().catch((error) => this.#close(error));
    // A patient handler may hold a body back for as long as it likes.
    if (this.#isHeld && this.#exchange?.isPatient === true) return;
    const isTalking = this.#exchange?.hasStarted === true && !this.#isHeld;
    const limitMs = isTalking ? HALF_CLOSED_QUIET_MS : progressMs;
    if (!this.#out.isEmpty) this.#quiet.restart();
    else if (quietMs > limitMs) this.#close(`the caller ended its side and no answer came for ${limitMs} ms`);
  }

  #answerAndClose(answer: WholeAnswer): void {
    this.#keepsAlive = false;
    // Of a head that was not understood nobody knows the method; what is left of the last one's is not its.
    if (this.#phase === "head") {
      this.#isHeadMethod = false;
      this.#origin = this.#input.refusedOrigin();
    }
    this.#sendWhole(answer, { isForced: true });
    this.#beginClosing();
  }

  #giveUp(limit: HttpLimit): void {
    this.noteLimit(limit);
    this.#close(`limit: ${limit}`);
  }

  #beginClosing(): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    this.#phase = "closing";
    this.#quiet.restart();
    this.#start.channel.endWriting();
    this.#passOver(this.#input.clear());
    if (this.#isHalfClosed) this.#closeWhenRead();
    this.#wakeReaderNow();
  }

  #passOver(bytes: number): void {
    this.#passedOverBytes += bytes;
    if (this.#passedOverBytes > LINGER_BYTES_MAX) this.#close("it sent too much behind its answer");
  }

  #closeWhenRead(): void {
    this.#whenFlushed(() => this.#close("served"));
  }

  #whenFlushed(action: () => void): void {
    void this.#out.flushed().then(() => this.guarded(action));
  }

  #leave(reason: unknown): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#isHeld = false;
    exchange?.leave(reason);
  }

  #close(reason: unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#start.patrol.delete(this);
    this.#start.channel.close();
    this.#out.release();
    this.#input.clear();
    this.#wakeReaderNow();
    this.#wakeServer?.();
    this.#leave(reason);
  }

  /** @returns `false` when there is no room in the budget; a forced answer is small and needs none */
  #sendWhole(answer: WholeAnswer, { isForced = false } = {}): boolean {
    if (this.#isClosed()) return true;
    const options = { connection: this.connectionOption(), isToHead: this.#isHeadMethod, isForced };
    const headers = this.#admitted(answer.headers);
    const admitted = headers === answer.headers ? answer : { ...answer, headers };
    if (this.#out.sendWhole(admitted, options)) return true;
    this.noteLimit("answers");
    return false;
  }

  #admitted(headers: HeaderPairs): HeaderPairs {
    return this.#context.cors?.admitFields(headers, this.#origin) ?? headers;
  }
}
