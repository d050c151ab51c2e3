/**
 * A client of HTTP/2 that sends what a test tells it to, on a connection in memory, and says in words what
 * came back.
 *
 * @module
 */

import type { CorsPolicy } from "../../server/http/cors.ts";
import type {
  HttpRouter,
  RequestHead,
  StreamHandler,
  WholeAnswer,
  WholeHandler,
} from "../../server/http/exchange.ts";
import type { Http2Connection } from "../../server/http/h2/connection.ts";
import type * as Http2Room from "../../server/http/h2/mod.ts";
import { type ByteBudget, HTTP_LIMITS, type HttpLimit, type HttpLimits } from "../../server/http/limits.ts";
import type { Patrol } from "../../server/http/patrol.ts";
import { HTTP2_PREFACE } from "../../server/http/protocol.ts";
import { ServerFrames, settingsFrame } from "./http2_frames.ts";
import { concatBytes, MemoryChannel } from "./memory_channel.ts";

/** What a client sends first. */
export const PREFACE_BYTES = new TextEncoder().encode(HTTP2_PREFACE);

/** A budget that tells what was taken; not a number once more was given back than taken. */
export class CountingBudget implements ByteBudget {
  readonly #bytesMax: number;
  usedBytes = 0;
  peakBytes = 0;

  constructor(bytesMax = Infinity) {
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.usedBytes + bytes > this.#bytesMax) return false;
    this.usedBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return true;
  }

  release(bytes: number): void {
    this.usedBytes -= bytes;
    // An error would be swallowed by what gives back; this is found by whoever looks at the end.
    if (this.usedBytes < 0) this.usedBytes = NaN;
  }
}

/** Tells the time every few milliseconds, while there is anybody who asks. */
export class QuickPatrol implements Pick<Patrol, "add" | "delete"> {
  readonly #timers = new Map<{ checkTime(nowMs: number): void }, ReturnType<typeof setInterval>>();

  add(member: { checkTime(nowMs: number): void }): void {
    this.#timers.set(member, setInterval(() => member.checkTime(performance.now()), 5));
  }

  delete(member: { checkTime(nowMs: number): void }): void {
    clearInterval(this.#timers.get(member));
    this.#timers.delete(member);
  }
}

/** Tells the time that a test says it is. */
export class ManualPatrol implements Pick<Patrol, "add" | "delete"> {
  readonly #members = new Set<{ checkTime(nowMs: number): void }>();
  nowMs = 0;

  add(member: { checkTime(nowMs: number): void }): void {
    this.#members.add(member);
  }

  delete(member: { checkTime(nowMs: number): void }): void {
    this.#members.delete(member);
  }

  /** Lets time go by, told in ten steps. */
  advance(ms: number): void {
    for (let step = 0; step < 10; step++) {
      this.nowMs += ms / 10;
      for (const member of this.#members) member.checkTime(this.nowMs);
    }
  }
}

/** What a test chooses; the rest is ordinary. */
export interface Http2PeerOptions {
  readonly handler?: WholeHandler | StreamHandler;
  /** Instead of one that has nothing but `handler`. */
  readonly router?: HttpRouter;
  readonly limits?: Partial<HttpLimits>;
  readonly cors?: CorsPolicy;
  readonly bodies?: CountingBudget;
  readonly answers?: CountingBudget;
  /** The machine's time unless given. */
  readonly patrol?: ManualPatrol;
  readonly pingEveryMs?: number;
  readonly pingAnswerMs?: number;
  /** Settings of the client. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
  /** No preface and no settings are sent. */
  readonly isSilent?: boolean;
  /** Another implementation than that of the project, to try checks on. */
  readonly room?: Pick<typeof Http2Room, "Http2Connection">;
}

/** Answers every request with its own body and 200. */
export function echoHandler(bodyLimitBytes = 1_000_000): WholeHandler {
  const answer = (body: Uint8Array): WholeAnswer => ({ status: 200, headers: [], body });
  return {
    kind: "whole",
    bodyLimitBytes,
    answer: (_head, body) => answer(body),
    refuse: () => ({ status: 413, headers: [], body: new Uint8Array(0) }),
  };
}

/** Answers every request with `body`. */
export function fixedHandler(body: Uint8Array): WholeHandler {
  return { ...echoHandler(), answer: () => ({ status: 200, headers: [], body }) };
}

/** See the module comment. */
export class Http2Peer {
  readonly channel = new MemoryChannel();
  readonly bodies: CountingBudget;
  readonly answers: CountingBudget;
  readonly connection: Http2Connection;
  /** Heads that were routed. */
  readonly heads: RequestHead[] = [];
  readonly observed: HttpLimit[] = [];
  /** Settles when the connection is over. */
  readonly served: Promise<void>;
  readonly #frames = new ServerFrames();
  /** All that was said so far. */
  readonly lines: string[] = [];

  constructor(options: Http2PeerOptions, room: Pick<typeof Http2Room, "Http2Connection">) {
    this.bodies = options.bodies ?? new CountingBudget();
    this.answers = options.answers ?? new CountingBudget();
    const handler = options.handler ?? echoHandler();
    const route = (head: RequestHead) => {
      this.heads.push(head);
      return options.router?.route(head) ?? handler;
    };
    const meters = {
      observeConnections: () => {},
      observeLimit: (limit: HttpLimit) => this.observed.push(limit),
    };
    this.connection = new room.Http2Connection({
      channel: this.channel,
      received: new Uint8Array(0),
      patrol: options.patrol ?? new QuickPatrol(),
      acceptedMs: options.patrol?.nowMs ?? performance.now(),
      router: { route },
      context: {
        limits: { ...HTTP_LIMITS, ...options.limits },
        bodies: this.bodies,
        answers: this.answers,
        meters: { ...meters, observeLimit: (limit) => void meters.observeLimit(limit) },
        ...(options.cors === undefined ? {} : { cors: options.cors }),
      },
      scheme: "http",
      ...(options.pingEveryMs === undefined ? {} : { pingEveryMs: options.pingEveryMs }),
      ...(options.pingAnswerMs === undefined ? {} : { pingAnswerMs: options.pingAnswerMs }),
    });
    this.served = this.connection.serve();
  }

  /** Sends as one chunk, and waits until all that this causes at once has happened. */
  async send(...frames: readonly Uint8Array[]): Promise<void> {
    this.channel.feed(concatBytes(frames));
    await this.settle();
  }

  /** Reads what the server has said until now. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    for (const frame of this.#frames.read(this.channel.takeWritten())) {
      this.lines.push(this.#frames.describe(frame));
    }
  }

  /** What was said since the last call. */
  takeLines(): string[] {
    return this.lines.splice(0);
  }

  /** Waits until a line holds `words`, and returns it. */
  async until(words: string): Promise<string> {
    for (;;) {
      await this.settle();
      const line = this.lines.find((each) => each.includes(words));
      if (line !== undefined) return line;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** The client goes away; resolves when the server has noticed. */
  async leave(): Promise<void> {
    this.channel.endPeer();
    await this.served;
  }
}

/** A client that has exchanged settings with its server. */
export async function openHttp2Peer(options: Http2PeerOptions = {}): Promise<Http2Peer> {
  const room = options.room ?? await import("../../server/http/h2/mod.ts");
  const peer = new Http2Peer(options, room);
  if (options.isSilent === true) return peer;
  await peer.send(PREFACE_BYTES, settingsFrame(...options.settings ?? []));
  peer.takeLines();
  return peer;
}
