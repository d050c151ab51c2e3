/**
 * Conversations of chance in HTTP/1.1, as bytes: well-formed requests, requests with one or two oddities, and
 * bytes that were changed anywhere; several requests at once, cut into pieces, and broken off.
 *
 * @module
 */

import type { SeededRandom } from "../support/seeded_random.ts";
import {
  CONNECTIONS,
  EXPECTATIONS,
  HOSTS,
  LEADS,
  METHODS,
  ODD_CHUNKS,
  ODD_CODINGS,
  ODD_HOSTS,
  ODD_LENGTHS,
  ODD_LINES,
  ODD_METHODS,
  ODD_TARGETS,
  ODD_VERSIONS,
  SCRAPS,
  TARGETS,
  TARGETS_OF_METHODS,
} from "./differential_parts.ts";

/** What a client sends, and how. */
export interface Conversation {
  /** One character a byte. */
  readonly text: string;
  /** Where the bytes are cut: each piece is sent on its own. Ascending, within the text. */
  readonly cuts: readonly number[];
  /** The client ends its side right behind the bytes, without another request that asks for the end. */
  readonly isHalfClosed: boolean;
  /** The request in it that waits for 100 (Continue) before it sends its body: where the body begins. */
  readonly bodyAt: number | undefined;
}

/** Asks for the end of the connection: who understood everything before it answers it, too. */
export const LAST_REQUEST = "GET /last HTTP/1.1\r\nHost: last.example\r\nConnection: close\r\n\r\n";

/** How a body is announced and what it is. */
interface Body {
  readonly lines: readonly string[];
  readonly bytes: string;
}

/** Draws a conversation. */
export function drawConversation(random: SeededRandom): Conversation {
  if (random.chance(3)) return drawExpectation(random);
  let text = "";
  for (let count = random.chance(75) ? 1 : 2 + random.below(2); count > 0; count--) {
    text += drawRequest(random);
  }
  if (random.chance(12)) text = changed(random, text);
  const isCut = random.chance(4);
  if (isCut) text = text.slice(0, random.below(text.length + 1));
  const cuts = random.chance(30) ? drawCuts(random, text.length) : [];
  return { text, cuts, isHalfClosed: isCut || random.chance(8), bodyAt: undefined };
}

/** A client that keeps its body back until it is told to go on. */
function drawExpectation(random: SeededRandom): Conversation {
  const isChunked = random.chance(50);
  const head = `${random.pick(["POST", "PUT"])} ${random.pick(TARGETS)} HTTP/1.1\r\nHost: a.example\r\n` +
    `Expect: ${random.pick(["100-continue", "100-Continue"])}\r\n` +
    `${isChunked ? "Transfer-Encoding: chunked" : "Content-Length: 5"}\r\n\r\n`;
  const text = head + (isChunked ? "5\r\nhello\r\n0\r\n\r\n" : "hello");
  return { text, cuts: [head.length], isHalfClosed: false, bodyAt: head.length };
}

function drawRequest(random: SeededRandom): string {
  // Most have one oddity at most, so that each is seen alone; some have two, so that they are seen together.
  const odds = random.pick([[], [random.below(9)], [random.below(9)], [random.below(9), random.below(9)]]);
  const isOdd = (kind: number) => odds.includes(kind);
  const method = isOdd(0) ? random.pick(ODD_METHODS) : random.pick(METHODS);
  const usual = TARGETS_OF_METHODS[method] ?? TARGETS;
  const target = isOdd(1) ? random.pick(ODD_TARGETS) : random.pick(usual);
  const version = isOdd(2) ? random.pick(ODD_VERSIONS) : "HTTP/1.1";
  const body = drawBody(random, { isOddLength: isOdd(3), isOddChunked: isOdd(4), method });
  const lines = [...drawHosts(random, isOdd(5)), ...body.lines];
  if (version === "HTTP/1.0" && random.chance(50)) lines.push("Connection: keep-alive\r\n");
  if (isOdd(6)) lines.splice(random.below(lines.length + 1), 0, random.pick(ODD_LINES));
  if (isOdd(7)) lines.splice(random.below(lines.length + 1), 0, drawManner(random));
  const lead = isOdd(8) ? random.pick(LEADS) : "";
  return `${lead}${method} ${target} ${version}\r\n${lines.join("")}\r\n${body.bytes}`;
}

function drawHosts(random: SeededRandom, isOdd: boolean): string[] {
  if (!isOdd) return [`Host: ${random.pick(HOSTS)}\r\n`];
  if (random.chance(20)) return [];
  if (random.chance(20)) return [`Host: ${random.pick(HOSTS)}\r\n`, `host: ${random.pick(HOSTS)}\r\n`];
  return [`Host: ${random.pick(ODD_HOSTS)}\r\n`];
}

/** What is said of the connection, or expected of the server. */
function drawManner(random: SeededRandom): string {
  return random.chance(60)
    ? `Connection: ${random.pick(CONNECTIONS)}\r\n`
    : `Expect: ${random.pick(EXPECTATIONS)}\r\n`;
}

function drawBody(
  random: SeededRandom,
  { isOddLength, isOddChunked, method }: {
    readonly isOddLength: boolean;
    readonly isOddChunked: boolean;
    readonly method: string;
  },
): Body {
  if (isOddLength) {
    const length = random.pick(["5", "5", "4294967296", random.pick(ODD_LENGTHS), random.pick(ODD_LENGTHS)]);
    const lines = [`Content-Length: ${length}\r\n`];
    if (random.chance(40)) lines.push(random.pick(["Content-Length: 5\r\n", "content-length: 6\r\n"]));
    return { lines, bytes: random.pick(["hello", "hello", "hell", "hello\r\n", ""]) };
  }
  if (isOddChunked) {
    const coding = random.chance(60) ? "chunked" : random.pick(ODD_CODINGS);
    return { lines: [`Transfer-Encoding: ${coding}\r\n`], bytes: random.pick(ODD_CHUNKS) };
  }
  if (random.chance(["GET", "HEAD", "OPTIONS"].includes(method) ? 75 : 10)) return { lines: [], bytes: "" };
  const content = "x".repeat(random.pick([0, 1, 5, 300, 300, 5_000]));
  if (random.chance(50)) return { lines: [`Content-Length: ${content.length}\r\n`], bytes: content };
  return { lines: ["Transfer-Encoding: chunked\r\n"], bytes: inChunks(random, content) };
}

function inChunks(random: SeededRandom, content: string): string {
  let bytes = "";
  for (let at = 0; at < content.length;) {
    const piece = content.slice(at, at + 1 + random.below(2_000));
    const size = piece.length.toString(16);
    bytes += `${random.chance(50) ? size.toUpperCase() : size}\r\n${piece}\r\n`;
    at += piece.length;
  }
  return `${bytes}0\r\n\r\n`;
}

function changed(random: SeededRandom, text: string): string {
  let result = text;
  for (let count = 1 + random.below(2); count > 0; count--) {
    // Heads are short and bodies may be long: most changes are to be where they mean something.
    const at = random.below(Math.min(result.length, 200) + 1);
    const scrap = random.chance(80) ? random.pick(SCRAPS) : "";
    result = result.slice(0, at) + scrap + result.slice(at + random.below(4));
  }
  return result;
}

function drawCuts(random: SeededRandom, length: number): number[] {
  const places = Array.from({ length: 1 + random.below(3) }, () => random.below(length + 1));
  return [...new Set(places)].sort((one, other) => one - other);
}
