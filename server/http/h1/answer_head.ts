/**
 * The head of an answer as bytes. Fields that belong to the connection are its own business: handlers cannot
 * set them. They cannot end a line either: a field whose name is no token in lower case, or whose value has
 * characters that are no bytes of a value, is left out and the rest of the answer goes out.
 *
 * @module
 */

import { cutBytes, type HeaderPairs } from "../mod.ts";

const encoder = new TextEncoder();
/** Of `": "` and CR LF, which stand in and behind every field. */
const SEPARATORS_LENGTH = 4;

/** Reasons are for people who read traffic; programs ignore them. */
const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
/** RFC 9110, section 5.1; in lower case because fields that are the connection's are looked up by it. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/**
 * RFC 9110, section 5.5. Characters become bytes, so that there must be none above U+00FF: U+010A would be
 * the end of a line.
 */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** How the end of an answer's body is told. */
export type AnswerLength =
  | { readonly kind: "known"; readonly bytes: number }
  | { readonly kind: "chunked" }
  /** By the end of the connection, or as the handler says it of a body that is not sent (HEAD, 304). */
  | { readonly kind: "untold" }
  /** There is none: 204. */
  | { readonly kind: "none" };

/** What the connection adds to a handler's head. */
export interface AnswerFraming {
  readonly length: AnswerLength;
  /** What `Connection` says; `undefined` for what goes without saying. */
  readonly connection: "close" | "keep-alive" | undefined;
}

/**
 * The head, with as much room behind it as `bodyRoom` says.
 *
 * @returns the bytes, and where the head ends in them
 */
export function encodeAnswerHead(
  answer: { readonly status: number; readonly headers: HeaderPairs },
  { length, connection }: AnswerFraming,
  bodyRoom = 0,
): { readonly bytes: Uint8Array; readonly end: number } {
  if (length.kind === "known" && connection === undefined && Object.isFrozen(answer.headers)) {
    return encodeUsualHead(answer, length.bytes, bodyRoom);
  }
  const status = statusLine(answer.status);
  const isSettable = (pair: HeaderPairs[number]) => isAllowed(pair, length);
  const headers = answer.headers.every(isSettable) ? answer.headers : answer.headers.filter(isSettable);
  const framing = lengthLine(length) + (connection === undefined ? "" : `connection: ${connection}\r\n`);
  const date = dateLines();
  let end = status.length + framing.length + date.length;
  for (const [name, value] of headers) end += name.length + value.length + SEPARATORS_LENGTH;
  const bytes = cutBytes(end + bodyRoom);
  bytes.set(status);
  let at = status.length;
  for (const [name, value] of headers) {
    at = put(bytes, put(bytes, put(bytes, put(bytes, at, name), ": "), value), "\r\n");
  }
  bytes.set(date, put(bytes, at, framing));
  return { bytes, end };
}

const LENGTH_FIELD = "content-length: ";
const LINE_END = "\r\n";
/** What heads with the same frozen fields begin with, up to the length, by status. */
const usualHeads = new WeakMap<HeaderPairs, Map<number, Uint8Array>>();

/** The same for what is answered again and again: the fields never change, only the length does. */
function encodeUsualHead(
  answer: { readonly status: number; readonly headers: HeaderPairs },
  length: number,
  bodyRoom: number,
): { readonly bytes: Uint8Array; readonly end: number } {
  const start = usualHead(answer);
  const digits = String(length);
  const date = dateLines();
  const end = start.length + digits.length + LINE_END.length + date.length;
  const bytes = cutBytes(end + bodyRoom);
  bytes.set(start);
  bytes.set(date, put(bytes, put(bytes, start.length, digits), LINE_END));
  return { bytes, end };
}

function usualHead(
  { status, headers }: { readonly status: number; readonly headers: HeaderPairs },
): Uint8Array {
  const known = usualHeads.get(headers)?.get(status);
  if (known !== undefined) return known;
  const length = { kind: "known", bytes: 0 } as const;
  const fields = headers.filter((pair) => isAllowed(pair, length)).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  const text = fields.join("") + LENGTH_FIELD;
  const made = new Uint8Array(statusLine(status).length + text.length);
  made.set(statusLine(status));
  put(made, statusLine(status).length, text);
  const byStatus = usualHeads.get(headers) ?? new Map<number, Uint8Array>();
  usualHeads.set(headers, byStatus.set(status, made));
  return made;
}

/** Characters below 256 as bytes at `start`; where they end. */
function put(bytes: Uint8Array, start: number, text: string): number {
  for (let at = 0; at < text.length; at++) bytes[start + at] = text.charCodeAt(at);
  return start + text.length;
}

function lengthLine(length: AnswerLength): string {
  if (length.kind === "known") return `content-length: ${length.bytes}\r\n`;
  return length.kind === "chunked" ? "transfer-encoding: chunked\r\n" : "";
}

const statusLines = new Map<number, Uint8Array>();

function statusLine(status: number): Uint8Array {
  const made = statusLines.get(status) ?? encoder.encode(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n`);
  statusLines.set(status, made);
  return made;
}

/** The length is the connection's to say, unless it has nothing to say: an answer to HEAD tells another's. */
function isAllowed([name, value]: HeaderPairs[number], length: AnswerLength): boolean {
  if (!NAME.test(name) || !VALUE.test(value)) return false;
  if (name === "content-length") return length.kind === "untold";
  return name !== "date" && !HOP_BY_HOP.has(name);
}

let dateSecond = 0;
let dateBytes: Uint8Array = new Uint8Array();

/** The last field of a head and the line that ends it; made once a second. RFC 9110, section 6.6.1. */
function dateLines(): Uint8Array {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateBytes = encoder.encode(`date: ${new Date(second * 1_000).toUTCString()}\r\n\r\n`);
  }
  return dateBytes;
}
