/**
 * One conversation with one server: sends the bytes, reads everything that comes back, and tells what the
 * server understood. Both servers have the same handlers behind them, which say what they were given.
 *
 * @module
 */

import { type HttpRouter, type RequestHead, webHandler, type WholeHandler } from "../../server/http/mod.ts";
import { type Conversation, LAST_REQUEST } from "./differential_request.ts";
import { plain } from "./h1_fixture.ts";
import { latinBytes } from "./scripted_channel.ts";

/**
 * A server that says nothing for so many ticks is waiting for more. Ticks are counted, not time: when the
 * machine stops for a while, that is one tick for everybody.
 */
const QUIET_TICKS = 4;
const TICK_MS = 10;
/** A server that has not ended its side by then will not. */
const END_MS = 20_000;
/** So long is waited for 100 (Continue). */
const HEARD_MS_MAX = 2_000;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** One answer. */
export interface ServerAnswer {
  readonly status: number;
  /** What its body says; of an answer to HEAD, what the body would have said. */
  readonly said: string;
}

/** All that a server did. */
export interface ServerOutcome {
  readonly answers: readonly ServerAnswer[];
  /** Whether 100 (Continue) came, before whatever else. */
  readonly isContinued: boolean;
  /** What came is not a sequence of whole answers. */
  readonly isBroken: boolean;
  /** Whether it ended by itself, ended when the client had, or did not end at all. */
  readonly end: "itself" | "after the client" | "never";
}

/** What a handler was given. */
interface GivenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * What a handler says of a request. The web's classes know no body of GET and HEAD; that its bytes were taken
 * for one shows in how the next request is read.
 */
function understood({ method, url, headers, body }: GivenRequest): string {
  const place = URL.canParse(url) ? new URL(url).href : url;
  const fields = latinBytes([...headers].map(([name, value]) => `${name}: ${value}`).join());
  const said = `${method} ${place} ${[...headers].length} fields ${hashOf(fields)}`;
  return method === "GET" || method === "HEAD" ? said : `${said} ${body.length} bytes ${hashOf(body)}`;
}

function hashOf(bytes: Uint8Array): string {
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME) >>> 0;
  return hash.toString(16);
}

/** The handler of both servers. */
export async function tellingFetch(request: Request): Promise<Response> {
  const { method, url, headers } = request;
  let text: string;
  try {
    text = understood({ method, url, headers, body: await request.bytes() });
  } catch {
    return new Response("the body broke off", { status: 400 });
  }
  return new Response(text, { headers: { "x-understood": encodeURIComponent(text) } });
}

/** The same for whole requests. */
const TELLING_HANDLER: WholeHandler = {
  kind: "whole",
  bodyLimitBytes: 1_000_000,
  answer: (head, body) => {
    const headers = new Headers([...head.headers].map(([name, value]): [string, string] => [name, value]));
    const text = understood({ method: head.method, url: urlOf(head), headers, body });
    const { status, body: bytes } = plain(200, text);
    return { status, headers: [["x-understood", encodeURIComponent(text)]], body: bytes };
  },
  refuse: (_, refusal) => plain(refusal === "tooLarge" ? 413 : 503, refusal),
};

/** Both kinds of handlers, by the target. */
export const TELLING_ROUTER: HttpRouter = {
  route: ({ target }) => target.startsWith("/whole") ? TELLING_HANDLER : webHandler(tellingFetch),
};

/** As the web's `Request` has it. */
function urlOf({ scheme, authority, target }: RequestHead): string {
  return `${scheme}://${authority === "" ? "localhost" : authority}${target === "*" ? "/*" : target}`;
}

/** Holds a conversation with the server at `port` of this machine, which gets `patience` times the time. */
export async function converse(
  { text, cuts, isHalfClosed, bodyAt }: Conversation,
  port: number,
  patience = 1,
): Promise<ServerOutcome> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  socket.setNoDelay(true);
  const reader = new AnswerReader(socket, patience);
  const reading = reader.readAll();
  const whole = isHalfClosed ? text : text + LAST_REQUEST;
  let at = 0;
  for (const end of [...cuts, whole.length]) {
    await sendAll(socket, latinBytes(whole.slice(at, end)));
    at = end;
    if (end === bodyAt) await reader.heard;
    else if (end < whole.length) await new Promise((resolve) => setTimeout(resolve, patience));
  }
  reader.allIsSent(isHalfClosed);
  await reading;
  return reader.outcome();
}

/** A server that has ended already is no failure: what it said before is there to be read. */
async function sendAll(socket: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  try {
    for (let at = 0; at < bytes.length;) at += await socket.write(bytes.subarray(at));
  } catch {
    // Read on.
  }
}

/** Reads what a server says until it ends; ends the client's side when the server has nothing more to say. */
class AnswerReader {
  readonly #socket: Deno.TcpConn;
  readonly #patience: number;
  readonly #heard = Promise.withResolvers<void>();
  readonly #gaveUp = Promise.withResolvers<null>();
  #received = "";
  #end: ServerOutcome["end"] = "itself";
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Since something came. */
  #ticks = 0;
  #isOver = false;

  constructor(socket: Deno.TcpConn, patience: number) {
    this.#socket = socket;
    this.#patience = patience;
  }

  /** Resolves when something has come, or nothing for a long while. */
  get heard(): Promise<void> {
    const timer = setTimeout(() => this.#heard.resolve(), HEARD_MS_MAX * this.#patience);
    return this.#heard.promise.finally(() => clearTimeout(timer));
  }

  /** From now on silence counts. */
  allIsSent(isHalfClosed: boolean): void {
    if (this.#isOver) return;
    if (isHalfClosed) this.#endWriting();
    else this.#tick();
  }

  /** Resolves at the end, of whatever kind. */
  async readAll(): Promise<void> {
    const buffer = new Uint8Array(16_384);
    for (;;) {
      const count = await Promise.race([this.#socket.read(buffer).catch(() => null), this.#gaveUp.promise]);
      if (count === null) break;
      this.#received += String.fromCharCode(...buffer.subarray(0, count));
      this.#heard.resolve();
      this.#ticks = 0;
    }
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#heard.resolve();
    this.#socket.close();
  }

  outcome(): ServerOutcome {
    return { ...answersIn(this.#received), end: this.#end };
  }

  #tick(): void {
    this.#timer = setTimeout(() => {
      if (++this.#ticks <= QUIET_TICKS * this.#patience) return this.#tick();
      this.#end = "after the client";
      this.#endWriting();
    }, TICK_MS);
  }

  #endWriting(): void {
    void this.#socket.closeWrite().catch(() => {});
    this.#timer = setTimeout(() => {
      this.#end = "never";
      this.#gaveUp.resolve(null);
    }, END_MS);
  }
}

/** Cuts what came into answers. */
function answersIn(received: string): Omit<ServerOutcome, "end"> {
  const answers: ServerAnswer[] = [];
  let isContinued = false;
  let rest = received;
  while (rest !== "") {
    const headEnd = rest.indexOf("\r\n\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3}) ?/.exec(rest)?.[1]);
    if (headEnd < 0 || Number.isNaN(status)) return { answers, isContinued, isBroken: true };
    const head = rest.slice(0, headEnd + 2);
    rest = rest.slice(headEnd + 4);
    if (status === 100) {
      isContinued = true;
      continue;
    }
    const known = decodeURIComponent(/^x-understood: (.*)\r$/im.exec(head)?.[1] ?? "");
    const body = known.startsWith("HEAD ") ? { text: known, rest } : bodyIn(head, rest);
    if (body === undefined) return { answers, isContinued, isBroken: true };
    answers.push({ status, said: body.text });
    rest = body.rest;
  }
  return { answers, isContinued, isBroken: false };
}

/** The body behind a head; `undefined` if it is not whole. */
function bodyIn(
  head: string,
  rest: string,
): { readonly text: string; readonly rest: string } | undefined {
  const length = /^content-length: (\d+)\r$/im.exec(head)?.[1];
  // A refusal of HEAD has no body: nothing stands behind it, or the next answer.
  if (/^(HTTP\/1\.1 \d|$)/.test(rest) && /^HTTP\/1\.1 [45]/.test(head)) return { text: "", rest };
  if (length !== undefined) {
    return rest.length < Number(length)
      ? undefined
      : { text: rest.slice(0, Number(length)), rest: rest.slice(Number(length)) };
  }
  if (!/^transfer-encoding: chunked\r$/im.test(head)) return { text: rest, rest: "" };
  let text = "";
  for (;;) {
    const [line, size] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? [];
    if (line === undefined || size === undefined) return undefined;
    const end = line.length + parseInt(size, 16);
    if (rest.slice(end, end + 2) !== "\r\n") return undefined;
    text += rest.slice(line.length, end);
    rest = rest.slice(end + 2);
    if (end === line.length) return { text, rest };
  }
}
