/**
 * The head of a request, strictly (RFC 9112): what two readers of one connection could understand in two ways
 * is refused, because requests are smuggled through such differences.
 *
 * ```
 * POST /path?query HTTP/1.1 CR LF      method SP target SP version
 * Host: name:1 CR LF                   name ":" spaces value spaces
 * CR LF
 * ```
 *
 * Every byte is looked at once. Refused are folded lines, CR, LF and NUL within a line, white space before a
 * colon, and targets with anything but visible ASCII. What the fields mean for the message, `framing.ts`
 * says.
 *
 * @module
 */

import type { RequestHead } from "../../mod.ts";
import { FieldTable, latinText, RANGE_STEP } from "./field_table.ts";
import { type Framing, readFraming } from "./framing.ts";
import {
  badRequest,
  FIELDS_MAX,
  type HeadFault,
  notImplemented,
  TOO_MANY_FIELDS,
  UNKNOWN_VERSION,
} from "./head_fault.ts";
import { isTokenByte, isValueByte } from "./syntax.ts";
import { readTarget } from "./target.ts";

const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const ZERO = 0x30;
/** Of `HTTP/1.1` and its CR LF. */
const VERSION_LENGTH = 8;
const DIGITS = 10;

const FOLDED = badRequest("a line of its head must not begin with white space");
const BAD_NAME = badRequest("the name of a field must be a token, with the colon right behind it");
const BAD_VALUE = badRequest("the value of a field must not hold CR, LF, NUL or other control characters");
const BAD_REQUEST_LINE = badRequest('its first line must be "method target HTTP/1.1" with one space each');

/** A head that was understood. */
export interface ParsedHead {
  readonly kind: "head";
  readonly head: RequestHead;
  readonly framing: Framing;
}

/** What the first line says. */
interface RequestLine {
  readonly kind: "line";
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** Where the fields begin. */
  readonly next: number;
}

/** Where a head lies. */
export interface HeadPlace {
  /** Of the request line. */
  readonly start: number;
  /** Behind the empty line; every line before it ends in LF with CR before it. */
  readonly end: number;
  readonly scheme: "http" | "https";
}

/** Reads the head that lies at `place`. Never throws. */
export function parseHead(bytes: Uint8Array, { start, end, scheme }: HeadPlace): ParsedHead | HeadFault {
  const line = readRequestLine(bytes, start);
  if (line.kind === "fault") return line;
  const ranges = readFields(bytes, line.next, end - 2);
  if (!Array.isArray(ranges)) return ranges;
  const framing = readFraming(bytes, ranges, line.version);
  if (framing.kind === "fault") return framing;
  const { method, version } = line;
  const place = readTarget(line, framing.host);
  if (place.kind === "fault") return place;
  const { target, authority } = place;
  return {
    kind: "head",
    head: { version, method, target, authority, scheme, headers: new FieldTable(bytes, ranges) },
    framing,
  };
}

function readRequestLine(bytes: Uint8Array, start: number): RequestLine | HeadFault {
  let at = start;
  while (isTokenByte(bytes[at]!)) at++;
  if (at === start || bytes[at] !== SPACE) return BAD_REQUEST_LINE;
  const methodEnd = at++;
  const targetStart = at;
  while (bytes[at]! > SPACE && bytes[at]! < 0x7f) at++;
  if (at === targetStart || bytes[at] !== SPACE) return BAD_REQUEST_LINE;
  const target = latinText(bytes, targetStart, at);
  const version = readVersion(bytes, at + 1);
  if (typeof version !== "string") return version;
  const method = methodOf(bytes, start, methodEnd);
  if (method === "CONNECT") return notImplemented("this is no proxy, CONNECT is not served");
  return { kind: "line", method, target, version, next: at + 1 + VERSION_LENGTH + 2 };
}

/** What nearly all requests use is not made anew. */
function methodOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start === 4 && bytes[start] === 0x50 && bytes[start + 1] === 0x4f) {
    if (bytes[start + 2] === 0x53 && bytes[start + 3] === 0x54) return "POST";
  }
  if (end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return "GET";
  }
  return latinText(bytes, start, end);
}

/** Versions above 1.1 are served as 1.1: RFC 9110, section 2.5. */
function readVersion(bytes: Uint8Array, start: number): "1.0" | "1.1" | HeadFault {
  const major = bytes[start + 5]! - ZERO;
  const minor = bytes[start + 7]! - ZERO;
  const isVersion = isHttpSlash(bytes, start) && isDigit(major) && bytes[start + 6] === 0x2e &&
    isDigit(minor);
  if (!isVersion || !isLineEnd(bytes, start + VERSION_LENGTH)) return BAD_REQUEST_LINE;
  if (major !== 1) return UNKNOWN_VERSION;
  return minor === 0 ? "1.0" : "1.1";
}

/** The name of the protocol is case-sensitive. */
function isHttpSlash(bytes: Uint8Array, start: number): boolean {
  return bytes[start] === 0x48 && bytes[start + 1] === 0x54 && bytes[start + 2] === 0x54 &&
    bytes[start + 3] === 0x50 && bytes[start + 4] === 0x2f;
}

function isDigit(value: number): boolean {
  return value >= 0 && value < DIGITS;
}

function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED;
}

/** The ranges of all fields from `start` to the empty line at `end`, for a {@linkcode FieldTable}. */
function readFields(bytes: Uint8Array, start: number, end: number): number[] | HeadFault {
  const ranges: number[] = [];
  for (let at = start; at < end;) {
    if (bytes[at] === SPACE || bytes[at] === TAB) return FOLDED;
    const nameStart = at;
    while (isTokenByte(bytes[at]!)) at++;
    if (at === nameStart || bytes[at] !== COLON) return BAD_NAME;
    const nameEnd = at++;
    while (bytes[at] === SPACE || bytes[at] === TAB) at++;
    const valueStart = at;
    while (isValueByte(bytes[at]!)) at++;
    if (!isLineEnd(bytes, at)) return BAD_VALUE;
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) {
      valueEnd--;
    }
    if (ranges.push(nameStart, nameEnd, valueStart, valueEnd) > FIELDS_MAX * RANGE_STEP) {
      return TOO_MANY_FIELDS;
    }
    at += 2;
  }
  return ranges;
}
