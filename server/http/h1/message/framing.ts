/**
 * What the fields of a head say about the message itself: how long its body is, whether the connection goes
 * on, what the client waits for (RFC 9112, sections 3.2, 6 and 9; RFC 9110, section 10.1.1).
 *
 * @module
 */

import { latinText, RANGE_STEP, startsWithWord } from "./field_table.ts";
import { badRequest, type HeadFault, notImplemented, UNKNOWN_EXPECTATION } from "./head_fault.ts";

/** Longer numbers are no safe integers. */
const LENGTH_DIGITS_MAX = 15;
const ZERO = 0x30;

const NO_HOST = badRequest("HTTP/1.1 demands the field Host, with the name of the host");
const TWO_HOSTS = badRequest("it must have one field Host: it has more");
const BAD_LENGTH = badRequest("Content-Length must be one number of at most 15 digits");
const TWO_LENGTHS = badRequest("Content-Length must say one length: it says two");
const LENGTH_AND_CHUNKS = badRequest("it must have Content-Length or Transfer-Encoding: it has both");
const CHUNKS_IN_OLD = badRequest("HTTP/1.0 knows no Transfer-Encoding");
const CHUNKED_NOT_LAST = badRequest("chunked must be the last transfer coding, and applied once");
const UNKNOWN_CODING = notImplemented("the only transfer coding that is known is chunked");

/** See the module comment. */
export interface Framing {
  readonly kind: "framing";
  /** Bytes of the body, `undefined` if it comes in chunks. */
  readonly bodyBytes: number | undefined;
  /** Empty in HTTP/1.0 only. */
  readonly host: string;
  /** Whether another request may follow. */
  readonly keepsAlive: boolean;
  /** The client sends its body when it was told to. */
  readonly awaitsContinue: boolean;
}

/** What was found so far. */
interface Findings {
  host: string | undefined;
  length: number | undefined;
  coding: string | undefined;
  connection: string;
  expectation: string | undefined;
}

/**
 * Reads the framing.
 *
 * @param ranges of the fields in `bytes`, as in a `FieldTable`
 */
export function readFraming(
  bytes: Uint8Array,
  ranges: readonly number[],
  version: "1.0" | "1.1",
): Framing | HeadFault {
  const findings: Findings = {
    host: undefined,
    length: undefined,
    coding: undefined,
    connection: "",
    expectation: undefined,
  };
  for (let at = 0; at < ranges.length; at += RANGE_STEP) {
    const fault = noteField(bytes, ranges, { at, findings });
    if (fault !== undefined) return fault;
  }
  return judge(findings, version);
}

function noteField(
  bytes: Uint8Array,
  ranges: readonly number[],
  { at, findings }: { readonly at: number; readonly findings: Findings },
): HeadFault | undefined {
  const name = ranges[at]!;
  const valueStart = ranges[at + 2]!;
  const valueEnd = ranges[at + 3]!;
  switch (ranges[at + 1]! - name) {
    case 4:
      if (!startsWithWord(bytes, name, "host")) return undefined;
      if (findings.host !== undefined) return TWO_HOSTS;
      findings.host = latinText(bytes, valueStart, valueEnd);
      return undefined;
    case 6:
      if (startsWithWord(bytes, name, "expect")) {
        findings.expectation = joinedValue(findings.expectation, latinText(bytes, valueStart, valueEnd));
      }
      return undefined;
    case 10:
      if (startsWithWord(bytes, name, "connection")) {
        findings.connection += `,${latinText(bytes, valueStart, valueEnd)}`;
      }
      return undefined;
    case 14:
      return startsWithWord(bytes, name, "content-length")
        ? noteLength(findings, lengthOf(bytes, valueStart, valueEnd))
        : undefined;
    case 17:
      if (startsWithWord(bytes, name, "transfer-encoding")) {
        findings.coding = joinedValue(findings.coding, latinText(bytes, valueStart, valueEnd));
      }
      return undefined;
    default:
      return undefined;
  }
}

function joinedValue(found: string | undefined, value: string): string {
  return found === undefined ? value : `${found},${value}`;
}

function noteLength(findings: Findings, length: number | undefined): HeadFault | undefined {
  if (length === undefined) return BAD_LENGTH;
  if (findings.length !== undefined && findings.length !== length) return TWO_LENGTHS;
  findings.length = length;
  return undefined;
}

function lengthOf(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end === start || end - start > LENGTH_DIGITS_MAX) return undefined;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}

function judge(findings: Findings, version: "1.0" | "1.1"): Framing | HeadFault {
  const { host, length, coding, connection, expectation } = findings;
  if (version === "1.1" && (host === undefined || host === "")) return NO_HOST;
  if (coding !== undefined) {
    const fault = judgeCoding(coding, { version, hasLength: length !== undefined });
    if (fault !== undefined) return fault;
  }
  // RFC 9110, section 10.1.1: an old client cannot wait for what its version does not know.
  const expectations = version === "1.1" ? membersOf(expectation ?? "") : [];
  if (expectations.some((each) => each !== "100-continue")) return UNKNOWN_EXPECTATION;
  return {
    kind: "framing",
    bodyBytes: coding === undefined ? length ?? 0 : undefined,
    host: host ?? "",
    keepsAlive: keepsAlive(connection, version),
    awaitsContinue: expectations.length > 0,
  };
}

/** The members of a list in lower case. RFC 9110, section 5.6.1.2: empty ones count for nothing. */
function membersOf(list: string): string[] {
  if (list === "") return [];
  return list.toLowerCase().split(/[ \t]*,[ \t]*/).filter((each) => each !== "");
}

function judgeCoding(
  coding: string,
  { version, hasLength }: { readonly version: "1.0" | "1.1"; readonly hasLength: boolean },
): HeadFault | undefined {
  if (version === "1.0") return CHUNKS_IN_OLD;
  if (hasLength) return LENGTH_AND_CHUNKS;
  const name = coding.toLowerCase();
  if (name === "chunked") return undefined;
  const names = name.split(",").map((each) => each.trim());
  if (names.slice(0, -1).includes("chunked")) return CHUNKED_NOT_LAST;
  return UNKNOWN_CODING;
}

function keepsAlive(connection: string, version: "1.0" | "1.1"): boolean {
  if (connection === "") return version === "1.1";
  const options = membersOf(connection);
  if (options.includes("close")) return false;
  return version === "1.1" || options.includes("keep-alive");
}
