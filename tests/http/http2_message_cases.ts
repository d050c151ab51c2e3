/**
 * Requests right and wrong as HTTP/2 carries them, and their compression: see `http2_cases.ts`.
 *
 * @module
 */

import { FrameFlag, FrameType } from "../../server/http/h2/frame.ts";
import {
  ANSWERED,
  BLOCK,
  COMPRESSION,
  GET,
  getThen,
  getWith,
  goAwayFrame,
  HELLO,
  HOLDING,
  type Http2Case,
  POST,
  PROTOCOL,
  rawHeaders,
  REFUSED,
  without,
} from "./http2_case.ts";
import { dataFrame, frameBytes, headersFrame, pingFrame, resetFrame } from "./http2_frames.ts";
import { concatBytes } from "./memory_channel.ts";

const { endHeaders, endStream, padded } = FrameFlag;

/** Errors and messages: RFC 9113, sections 7 and 8. */
const MESSAGES: readonly Http2Case[] = [
  { id: "http2/7/1", sends: [goAwayFrame(0, 0xff)], says: "GOAWAY NO_ERROR" },
  {
    id: "http2/7/2",
    sends: [headersFrame(1, POST, false), resetFrame(1, 0xff), pingFrame()],
    says: "PING ACK",
  },
  {
    id: "http2/8.1/1",
    sends: [headersFrame(1, POST, false), headersFrame(1, [["x", "y"]], false)],
    says: REFUSED,
  },
  { id: "http2/8.1.2/1", sends: [getWith(["X-Test", "y"])], says: REFUSED },
  { id: "http2/8.1.2.1/1", sends: [getWith([":test", "y"])], says: REFUSED },
  { id: "http2/8.1.2.1/2", sends: [getWith([":status", "200"])], says: REFUSED },
  {
    id: "http2/8.1.2.1/3",
    sends: [headersFrame(1, POST, false), headersFrame(1, [[":method", "GET"]])],
    says: REFUSED,
  },
  { id: "http2/8.1.2.1/4", sends: [headersFrame(1, [["x", "y"], ...GET])], says: REFUSED },
  { id: "http2/8.1.2.2/1", sends: [getWith(["connection", "keep-alive"])], says: REFUSED },
  { id: "http2/8.1.2.2/2", sends: [getWith(["te", "trailers, deflate"])], says: REFUSED },
  {
    id: "http2/8.1.2.3/1",
    sends: [headersFrame(1, GET.map(([name, value]) => [name, name === ":path" ? "" : value]))],
    says: REFUSED,
  },
  { id: "http2/8.1.2.3/2", sends: [without(":method")], says: REFUSED },
  { id: "http2/8.1.2.3/3", sends: [without(":scheme")], says: REFUSED },
  { id: "http2/8.1.2.3/4", sends: [without(":path")], says: REFUSED },
  { id: "http2/8.1.2.3/5", sends: [getWith([":method", "GET"])], says: REFUSED },
  { id: "http2/8.1.2.3/6", sends: [getWith([":scheme", "http"])], says: REFUSED },
  { id: "http2/8.1.2.3/7", sends: [getWith([":path", "/"])], says: REFUSED },
  {
    id: "http2/8.1.2.6/1",
    sends: [headersFrame(1, [...POST, ["content-length", "1"]], false), dataFrame(1, HELLO, true)],
    says: REFUSED,
  },
  {
    id: "http2/8.1.2.6/2",
    sends: [
      headersFrame(1, [...POST, ["content-length", "9"]], false),
      dataFrame(1, HELLO.slice(0, 2)),
      dataFrame(1, HELLO.slice(2), true),
    ],
    says: REFUSED,
  },
  {
    id: "http2/8.2/1",
    sends: [frameBytes({ type: FrameType.pushPromise, flags: endHeaders, stream: 1, payload: BLOCK })],
    says: PROTOCOL,
  },
];

/** Header compression: RFC 7541. */
const HPACK: readonly Http2Case[] = [
  { id: "hpack/2.3.3/1", sends: [getThen(0xc6)], says: COMPRESSION },
  { id: "hpack/2.3.3/2", sends: [getThen(0x7f, 0x20, 1, 0x61)], says: COMPRESSION },
  { id: "hpack/4.2/1", sends: [getThen(0x21)], says: COMPRESSION },
  { id: "hpack/5.2/1", sends: [getThen(0x00, 1, 0x61, 0x82, 0x1f, 0xff)], says: COMPRESSION },
  { id: "hpack/5.2/2", sends: [getThen(0x00, 1, 0x61, 0x81, 0x18)], says: COMPRESSION },
  { id: "hpack/5.2/3", sends: [getThen(0x00, 1, 0x61, 0x84, 0xff, 0xff, 0xff, 0xff)], says: COMPRESSION },
  { id: "hpack/6.1/1", sends: [getThen(0x80)], says: COMPRESSION },
  {
    id: "hpack/6.3/1",
    sends: [rawHeaders(endHeaders | endStream, concatBytes([Uint8Array.of(0x3f, 0xe2, 0x1f), BLOCK]))],
    says: COMPRESSION,
  },
];

/** What the table of h2spec does not ask. */
const FURTHER: readonly Http2Case[] = [
  { id: "8.3.1: host unlike :authority", sends: [getWith(["host", "elsewhere"])], says: REFUSED },
  { id: "8.3.1: host like :authority", sends: [getWith(["host", "LOCALHOST"])], says: ANSWERED },
  {
    id: "8.3.1: a user in :authority",
    sends: [headersFrame(1, GET.map(([name, value]) => [name, name === ":authority" ? "me@host" : value]))],
    says: REFUSED,
  },
  { id: "8.3.1: neither host nor :authority", sends: [without(":authority")], says: REFUSED },
  { id: "8.2.1: a space before a value", sends: [getWith(["x", " y"])], says: REFUSED },
  { id: "8.2.1: a line break in a value", sends: [getWith(["x", "y\nz"])], says: REFUSED },
  { id: "8.2.1: NUL in a value", sends: [getWith(["x", "y\0"])], says: REFUSED },
  { id: "8.2.1: a space in a name", sends: [getWith(["x y", "z"])], says: REFUSED },
  { id: "8.2.1: an empty name", sends: [getWith(["", "z"])], says: REFUSED },
  ...["keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map((name) => ({
    id: `8.2.2: ${name}`,
    sends: [getWith([name, "chunked"])],
    says: REFUSED,
  })),
  { id: "8.2.2: te: trailers", sends: [getWith(["te", "trailers"])], says: ANSWERED },
  {
    id: "8.1.1: two lengths",
    sends: [getWith(["content-length", "0"], ["content-length", "1"])],
    says: REFUSED,
  },
  { id: "8.1.1: a length without a body", sends: [getWith(["content-length", "1"])], says: REFUSED },
  { id: "8.1.1: no number", sends: [getWith(["content-length", "+1"])], says: REFUSED },
  {
    id: "8.1.1: too short, with trailers",
    sends: [
      headersFrame(1, [...POST, ["content-length", "9"]], false),
      dataFrame(1, HELLO),
      headersFrame(1, [["x", "y"]]),
    ],
    says: REFUSED,
  },
  {
    id: "8.5: CONNECT",
    sends: [headersFrame(1, [[":method", "CONNECT"], [":authority", "a:1"]])],
    says: "HEADERS 1 501 END",
  },
  {
    id: "8.1: an error before the body",
    sends: [
      headersFrame(1, [...POST, ["content-length", "2000000"]], false),
      dataFrame(1, HELLO),
      dataFrame(1, HELLO, true),
    ],
    says: "HEADERS 1 413 END, RST_STREAM 1 NO_ERROR",
  },
  {
    id: "6.5.2: a list of fields above the limit",
    sends: [getWith(["x", "y".repeat(2_000)])],
    says: "HEADERS 1 431 END",
    options: { limits: { headBytesMax: 1_000 } },
  },
  {
    id: "6.9: padding counts against the windows",
    sends: [
      headersFrame(1, POST, false),
      ...Array.from({ length: 65 }, () =>
        frameBytes({
          type: FrameType.data,
          flags: padded,
          stream: 1,
          payload: concatBytes([Uint8Array.of(255), new Uint8Array(16_383)]),
        })),
    ],
    says: "RST_STREAM 1 FLOW_CONTROL_ERROR",
    options: HOLDING,
  },
];

/** RFC 9113, sections 7 and 8, and RFC 7541. */
export const MESSAGE_CASES: readonly Http2Case[] = [...MESSAGES, ...HPACK, ...FURTHER];
