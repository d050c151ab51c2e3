/**
 * What the cases of HTTP/2 are made of: see `http2_cases.ts`.
 *
 * @module
 */

import { FrameFlag, FrameType, SettingId } from "../../server/http/h2/frame.ts";
import {
  type FieldPair,
  frameBytes,
  headerBlock,
  headersFrame,
  requestFields,
  uint32,
} from "./http2_frames.ts";
import type { Http2PeerOptions } from "./http2_peer.ts";
import { concatBytes } from "./memory_channel.ts";

/** One case: what the client sends after the settings, chunk by chunk, and what must come of it. */
export interface Http2Case {
  readonly id: string;
  readonly sends: readonly Uint8Array[];
  /** All that the server says after the settings, in one line. */
  readonly says: string;
  readonly options?: Http2PeerOptions;
}

export const GET = requestFields("GET");
export const POST = requestFields("POST");
const { endHeaders, endStream } = FrameFlag;
export const HELLO = new TextEncoder().encode("hello");

/** The whole answer of the echo to a request without a body. */
export const ANSWERED = "HEADERS 1 200 END";
export const ECHOED = "HEADERS 1 200, DATA 1 5 END";
/** Closes with this. */
export const PROTOCOL = "GOAWAY PROTOCOL_ERROR";
export const SIZE = "GOAWAY FRAME_SIZE_ERROR";
export const CLOSED = "GOAWAY STREAM_CLOSED";
export const COMPRESSION = "GOAWAY COMPRESSION_ERROR";
export const REFUSED = "RST_STREAM 1 PROTOCOL_ERROR";

/** An answer that has not come while the test goes on. */
export const UNANSWERED: Http2PeerOptions = {
  handler: {
    kind: "whole",
    bodyLimitBytes: 1_000_000,
    answer: () => new Promise(() => {}),
    refuse: () => ({ status: 413, headers: [], body: new Uint8Array(0) }),
  },
};

/** A handler that never takes the first chunk. */
export const HOLDING: Http2PeerOptions = {
  handler: {
    kind: "stream",
    isPatient: true,
    open: () => ({ chunk: () => new Promise(() => {}), end: () => {}, abort: () => {} }),
  },
};

/** A HEADERS frame whose block, flags or padding are not in order. */
export function rawHeaders(flags: number, payload: Uint8Array, stream = 1): Uint8Array {
  return frameBytes({ type: FrameType.headers, flags, stream, payload });
}

export function continuation(flags: number, payload: Uint8Array, stream = 1): Uint8Array {
  return frameBytes({ type: FrameType.continuation, flags, stream, payload });
}

export function priorityFrame(stream: number, parent: number, weight = 0): Uint8Array {
  const payload = concatBytes([uint32(parent), Uint8Array.of(weight)]);
  return frameBytes({ type: FrameType.priority, stream, payload });
}

export function goAwayFrame(stream: number, code = 0): Uint8Array {
  return frameBytes({ type: FrameType.goAway, stream, payload: concatBytes([uint32(0), uint32(code)]) });
}

/** A request with END_STREAM whose fields follow the method, scheme, path and authority. */
export function getWith(...fields: readonly FieldPair[]): Uint8Array {
  return headersFrame(1, requestFields("GET", ...fields));
}

/** A request whose block is that of an ordinary one and these bytes. */
export function getThen(...bytes: readonly number[]): Uint8Array {
  return rawHeaders(endHeaders | endStream, concatBytes([headerBlock(GET), Uint8Array.from(bytes)]));
}

/** The fields of an ordinary request without one of them. */
export function without(name: string): Uint8Array {
  return headersFrame(1, GET.filter(([each]) => each !== name));
}

export const BLOCK = headerBlock(GET);
export const HALVES = [BLOCK.slice(0, 10), BLOCK.slice(10)] as const;
export const LONG_BLOCK = headerBlock([...GET, ["x", "y".repeat(20_000)]]);
export const WINDOW = SettingId.initialWindowSize;
