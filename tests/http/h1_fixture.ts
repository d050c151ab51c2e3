/**
 * HTTP/1.1 under test: a connection over a scripted channel, handlers that say what they were asked, and
 * budgets and meters that can be looked at.
 *
 * @module
 */

import {
  type ByteBudget,
  type CorsPolicy,
  HTTP_LIMITS,
  type HttpContext,
  type HttpLimits,
  type HttpMeters,
  type HttpRouter,
  Patrol,
  type Patrolled,
  type RequestHead,
  type WholeAnswer,
  type WholeHandler,
} from "../../server/http/mod.ts";
import { startHttp1 } from "../../server/http/h1/mod.ts";
import { allSettled, latinBytes, ScriptedChannel, utf8Bytes } from "./scripted_channel.ts";

/** A share of memory whose use is known. */
export class KnownBudget implements ByteBudget {
  readonly #limitBytes: number;
  usedBytes = 0;

  constructor(limitBytes = Infinity) {
    this.#limitBytes = limitBytes;
  }

  take(bytes: number): boolean {
    if (this.usedBytes + bytes > this.#limitBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.usedBytes -= bytes;
    if (this.usedBytes < 0) throw new Error(`${-this.usedBytes} bytes were given back that nobody took`);
  }
}

/** A context whose budgets and counts are known. */
export class KnownContext implements HttpContext, HttpMeters {
  readonly limits: HttpLimits;
  readonly bodies: KnownBudget;
  readonly answers: KnownBudget;
  readonly meters: HttpMeters = this;
  readonly cors?: CorsPolicy;
  /** Connections that are open. */
  connections = 0;
  /** What limits have ended, in order. */
  readonly reached: string[] = [];

  constructor(
    { limits = {}, bodyBytes, answerBytes, cors }: {
      readonly limits?: Partial<HttpLimits>;
      readonly bodyBytes?: number;
      readonly answerBytes?: number;
      readonly cors?: CorsPolicy;
    } = {},
  ) {
    if (cors !== undefined) this.cors = cors;
    this.limits = { ...HTTP_LIMITS, ...limits };
    this.bodies = new KnownBudget(bodyBytes);
    this.answers = new KnownBudget(answerBytes);
  }

  observeConnections(change: 1 | -1): void {
    this.connections += change;
  }

  observeLimit(limit: string): void {
    this.reached.push(limit);
  }
}

/** A handler that answers with the method, the target, the authority and the body that it got. */
export const MIRROR_HANDLER: WholeHandler = {
  kind: "whole",
  bodyLimitBytes: 1_000_000,
  answer: ({ method, target, authority }, body) =>
    plain(200, `${method} ${target} ${authority} ${String.fromCharCode(...body.subarray(0, 1_000))}`),
  refuse: (_, refusal) => refusal === "tooLarge" ? plain(413, "too large") : plain(503, "no room"),
};

/** The router that has nothing but {@linkcode MIRROR_HANDLER}. */
export const MIRROR_ROUTER: HttpRouter = { route: () => MIRROR_HANDLER };

/** An answer with nothing but text. */
export function plain(status: number, text: string): WholeAnswer {
  return { status, headers: [["content-type", "text/plain"]], body: utf8Bytes(text) };
}

/** A router with one whole handler. */
export function wholeRouter(
  answer: (head: RequestHead, body: Uint8Array) => WholeAnswer | Promise<WholeAnswer>,
): HttpRouter {
  return { route: () => ({ ...MIRROR_HANDLER, answer }) };
}

/** Time that a test moves on. */
export class ScriptedPatrol extends Patrol {
  readonly #watched = new Set<Patrolled>();
  nowMs = 0;

  constructor() {
    super(HTTP_LIMITS);
  }

  override add(member: Patrolled): void {
    this.#watched.add(member);
  }

  override delete(member: Patrolled): void {
    this.#watched.delete(member);
  }

  /** Time goes on by `ms`, in rounds of half a second. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 500);
      for (const member of this.#watched) member.checkTime(this.nowMs);
      await allSettled();
    }
  }
}

/** A connection of HTTP/1.1 that was just accepted, at time 0. */
export class ScriptedConnection {
  readonly channel = new ScriptedChannel();
  readonly patrol = new ScriptedPatrol();
  readonly context: KnownContext;
  readonly connection: ReturnType<typeof startHttp1>;
  /** Whether it has ended by itself. */
  isOver = false;

  constructor(router: HttpRouter = MIRROR_ROUTER, context: KnownContext = new KnownContext()) {
    const { channel, patrol } = this;
    this.context = context;
    const start = { channel, received: new Uint8Array(), router, context, patrol };
    this.connection = startHttp1({ ...start, scheme: "http", acceptedMs: 0 });
    void this.connection.serve().then(() => this.isOver = true);
  }

  /** Sends `pieces` one after the other, each as a chunk of its own, and returns what came back so far. */
  async send(...pieces: readonly string[]): Promise<string> {
    await allSettled();
    for (const piece of pieces) {
      this.channel.arrive(latinBytes(piece));
      await allSettled();
    }
    return this.channel.sent;
  }
}

/** The status codes of answers that stand behind each other, provided no body looks like an answer. */
export function statusesOf(sent: string): number[] {
  return [...sent.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** What stands behind the head of the only answer. */
export function bodyOf(sent: string): string {
  return sent.slice(sent.indexOf("\r\n\r\n") + 4);
}

/** A request with these lines of a head, and a body. */
export function request(lines: readonly string[], body = ""): string {
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}
