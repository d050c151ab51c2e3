/**
 * What a server must do with frames right and wrong, as a table by the sections of RFC 9113 and RFC 7541. The
 * numbers are those of the cases of h2spec, a checker of HTTP/2 servers, so that its reports can be compared.
 *
 * @module
 */

import { FrameFlag, FrameType, SettingId } from "../../server/http/h2/frame.ts";
import {
  ANSWERED,
  BLOCK,
  CLOSED,
  COMPRESSION,
  continuation,
  GET,
  getWith,
  goAwayFrame,
  HALVES,
  HELLO,
  type Http2Case,
  LONG_BLOCK,
  POST,
  priorityFrame,
  PROTOCOL,
  rawHeaders,
  REFUSED,
  SIZE,
  UNANSWERED,
  WINDOW,
} from "./http2_case.ts";
import {
  dataFrame,
  frameBytes,
  headerBlock,
  headersFrame,
  pingFrame,
  resetFrame,
  settingsFrame,
  uint32,
  windowUpdateFrame,
} from "./http2_frames.ts";
import { MESSAGE_CASES } from "./http2_message_cases.ts";
import { ORDINARY_CASES } from "./http2_ordinary_cases.ts";
import { concatBytes } from "./memory_channel.ts";

const { endHeaders, endStream, padded, priority } = FrameFlag;

/** Frames, streams and the connection: RFC 9113, sections 4 and 5. */
const FRAMING: readonly Http2Case[] = [
  {
    id: "http2/4.1/1",
    sends: [frameBytes({ type: 22, payload: HELLO }), pingFrame()],
    says: "PING ACK",
  },
  { id: "http2/4.1/2", sends: [pingFrame(0xfe)], says: "PING ACK" },
  {
    id: "http2/4.1/3",
    sends: [
      frameBytes({ type: FrameType.ping, stream: 0x80000000, payload: new Uint8Array(8) }),
    ],
    says: "PING ACK",
  },
  {
    id: "http2/4.2/1",
    sends: [headersFrame(1, POST, false), dataFrame(1, new Uint8Array(16_384), true)],
    says: "HEADERS 1 200, DATA 1 16384 END",
  },
  {
    id: "http2/4.2/2",
    sends: [headersFrame(1, POST, false), dataFrame(1, new Uint8Array(16_385))],
    says: SIZE,
  },
  { id: "http2/4.2/3", sends: [rawHeaders(endHeaders | endStream, LONG_BLOCK)], says: SIZE },
  {
    id: "http2/4.3/1",
    sends: [rawHeaders(endHeaders | endStream, Uint8Array.of(0xc0, 0xff))],
    says: COMPRESSION,
  },
  { id: "http2/4.3/2", sends: [rawHeaders(endStream, HALVES[0]), priorityFrame(1, 0)], says: PROTOCOL },
  { id: "http2/4.3/3", sends: [rawHeaders(endStream, HALVES[0]), headersFrame(3, GET)], says: PROTOCOL },
  { id: "http2/5.1/1", sends: [dataFrame(1, HELLO, true)], says: PROTOCOL },
  { id: "http2/5.1/2", sends: [resetFrame(1)], says: PROTOCOL },
  { id: "http2/5.1/3", sends: [windowUpdateFrame(1, 100)], says: PROTOCOL },
  { id: "http2/5.1/4", sends: [continuation(endHeaders | endStream, BLOCK)], says: PROTOCOL },
  {
    id: "http2/5.1/5",
    sends: [getWith(), dataFrame(1, HELLO, true)],
    says: "RST_STREAM 1 STREAM_CLOSED",
    options: UNANSWERED,
  },
  {
    id: "http2/5.1/6",
    sends: [getWith(), getWith()],
    says: "RST_STREAM 1 STREAM_CLOSED",
    options: UNANSWERED,
  },
  {
    id: "http2/5.1/7",
    sends: [getWith(), continuation(endHeaders, BLOCK)],
    says: PROTOCOL,
    options: UNANSWERED,
  },
  {
    id: "http2/5.1/8",
    sends: [headersFrame(1, POST, false), resetFrame(1), dataFrame(1, HELLO, true)],
    says: "RST_STREAM 1 STREAM_CLOSED",
  },
  {
    id: "http2/5.1/9",
    sends: [headersFrame(1, POST, false), resetFrame(1), getWith()],
    says: "RST_STREAM 1 STREAM_CLOSED",
  },
  {
    id: "http2/5.1/10",
    sends: [headersFrame(1, POST, false), resetFrame(1), continuation(endHeaders, BLOCK)],
    says: PROTOCOL,
  },
  {
    id: "http2/5.1/11",
    sends: [getWith(), dataFrame(1, HELLO, true)],
    says: `${ANSWERED}, RST_STREAM 1 STREAM_CLOSED`,
  },
  { id: "http2/5.1/12", sends: [getWith(), getWith()], says: `${ANSWERED}, ${CLOSED}` },
  {
    id: "http2/5.1/13",
    sends: [getWith(), continuation(endHeaders, BLOCK)],
    says: `${ANSWERED}, ${PROTOCOL}`,
  },
  { id: "http2/5.1.1/1", sends: [headersFrame(2, GET)], says: PROTOCOL },
  {
    id: "http2/5.1.1/2",
    sends: [headersFrame(5, GET), headersFrame(3, GET)],
    says: `HEADERS 5 200 END, ${PROTOCOL}`,
  },
  {
    id: "http2/5.1.2/1",
    sends: [1, 3, 5, 7].map((stream) => headersFrame(stream, GET)),
    says: "RST_STREAM 7 REFUSED_STREAM",
    options: { ...UNANSWERED, limits: { streamsMax: 3 } },
  },
  {
    id: "http2/5.3.1/1",
    sends: [rawHeaders(endHeaders | endStream | priority, concatBytes([uint32(1), Uint8Array.of(9), BLOCK]))],
    says: REFUSED,
  },
  { id: "http2/5.3.1/2", sends: [priorityFrame(1, 1)], says: PROTOCOL },
  { id: "http2/5.4.1/1", sends: [frameBytes({ type: FrameType.ping, payload: HELLO })], says: SIZE },
  {
    id: "http2/5.4.1/2",
    sends: [frameBytes({ type: FrameType.ping, stream: 3, payload: HELLO })],
    says: PROTOCOL,
  },
  { id: "http2/5.5/1", sends: [frameBytes({ type: 22, payload: HELLO }), getWith()], says: ANSWERED },
  { id: "http2/5.5/2", sends: [rawHeaders(endStream, HALVES[0]), frameBytes({ type: 22 })], says: PROTOCOL },
];

/** The frames one by one: RFC 9113, section 6. */
const FRAMES: readonly Http2Case[] = [
  { id: "http2/6.1/1", sends: [dataFrame(0, HELLO)], says: PROTOCOL },
  {
    id: "http2/6.1/2",
    sends: [getWith(), dataFrame(1, HELLO)],
    says: "RST_STREAM 1 STREAM_CLOSED",
    options: UNANSWERED,
  },
  {
    id: "http2/6.1/3",
    sends: [
      headersFrame(1, POST, false),
      frameBytes({
        type: FrameType.data,
        flags: padded | endStream,
        stream: 1,
        payload: concatBytes([Uint8Array.of(6), HELLO]),
      }),
    ],
    says: PROTOCOL,
  },
  { id: "http2/6.2/1", sends: [rawHeaders(endStream, BLOCK), priorityFrame(1, 0)], says: PROTOCOL },
  { id: "http2/6.2/2", sends: [rawHeaders(endStream, BLOCK), headersFrame(3, GET)], says: PROTOCOL },
  { id: "http2/6.2/3", sends: [headersFrame(0, GET)], says: PROTOCOL },
  {
    id: "http2/6.2/4",
    sends: [rawHeaders(endHeaders | endStream | padded, concatBytes([Uint8Array.of(255), BLOCK]))],
    says: PROTOCOL,
  },
  { id: "http2/6.3/1", sends: [priorityFrame(0, 1)], says: PROTOCOL },
  {
    id: "http2/6.3/2",
    sends: [
      headersFrame(1, POST, false),
      frameBytes({ type: FrameType.priority, stream: 1, payload: uint32(0) }),
    ],
    says: "RST_STREAM 1 FRAME_SIZE_ERROR",
  },
  { id: "http2/6.4/1", sends: [resetFrame(0)], says: PROTOCOL },
  { id: "http2/6.4/2", sends: [resetFrame(1)], says: PROTOCOL },
  {
    id: "http2/6.4/3",
    sends: [
      headersFrame(1, POST, false),
      frameBytes({ type: FrameType.rstStream, stream: 1, payload: HELLO }),
    ],
    says: SIZE,
  },
  {
    id: "http2/6.5/1",
    sends: [frameBytes({ type: FrameType.settings, flags: FrameFlag.ack, payload: HELLO })],
    says: SIZE,
  },
  { id: "http2/6.5/2", sends: [frameBytes({ type: FrameType.settings, stream: 1 })], says: PROTOCOL },
  { id: "http2/6.5/3", sends: [frameBytes({ type: FrameType.settings, payload: HELLO })], says: SIZE },
  { id: "http2/6.5.2/1", sends: [settingsFrame([SettingId.enablePush, 2])], says: PROTOCOL },
  { id: "http2/6.5.2/2", sends: [settingsFrame([WINDOW, 2 ** 31])], says: "GOAWAY FLOW_CONTROL_ERROR" },
  { id: "http2/6.5.2/3", sends: [settingsFrame([SettingId.maxFrameSize, 16_383])], says: PROTOCOL },
  { id: "http2/6.5.2/4", sends: [settingsFrame([SettingId.maxFrameSize, 2 ** 24])], says: PROTOCOL },
  { id: "http2/6.5.2/5", sends: [settingsFrame([0xff, 1]), pingFrame()], says: "SETTINGS ACK, PING ACK" },
  {
    id: "http2/6.5.3/1",
    sends: [
      settingsFrame([WINDOW, 100], [WINDOW, 1]),
      headersFrame(1, POST, false),
      dataFrame(1, HELLO, true),
    ],
    says: "SETTINGS ACK, HEADERS 1 200, DATA 1 1",
  },
  { id: "http2/6.5.3/2", sends: [settingsFrame()], says: "SETTINGS ACK" },
  { id: "http2/6.7/1", sends: [pingFrame()], says: "PING ACK" },
  { id: "http2/6.7/2", sends: [pingFrame(FrameFlag.ack), pingFrame()], says: "PING ACK" },
  {
    id: "http2/6.7/3",
    sends: [frameBytes({ type: FrameType.ping, stream: 1, payload: new Uint8Array(8) })],
    says: PROTOCOL,
  },
  {
    id: "http2/6.7/4",
    sends: [frameBytes({ type: FrameType.ping, payload: new Uint8Array(6) })],
    says: SIZE,
  },
  { id: "http2/6.8/1", sends: [goAwayFrame(1)], says: PROTOCOL },
  { id: "http2/6.9/1", sends: [windowUpdateFrame(0, 0)], says: PROTOCOL },
  { id: "http2/6.9/2", sends: [headersFrame(1, POST, false), windowUpdateFrame(1, 0)], says: REFUSED },
  {
    id: "http2/6.9/3",
    sends: [frameBytes({ type: FrameType.windowUpdate, payload: new Uint8Array(3) })],
    says: SIZE,
  },
  {
    id: "http2/6.9.1/1",
    sends: [settingsFrame([WINDOW, 1]), headersFrame(1, POST, false), dataFrame(1, HELLO, true)],
    says: "SETTINGS ACK, HEADERS 1 200, DATA 1 1",
  },
  {
    id: "http2/6.9.1/2",
    sends: [windowUpdateFrame(0, 2 ** 31 - 1), windowUpdateFrame(0, 2 ** 31 - 1)],
    says: "GOAWAY FLOW_CONTROL_ERROR",
  },
  {
    id: "http2/6.9.1/3",
    sends: [
      headersFrame(1, POST, false),
      windowUpdateFrame(1, 2 ** 31 - 1),
    ],
    says: "RST_STREAM 1 FLOW_CONTROL_ERROR",
  },
  {
    id: "http2/6.9.2/1",
    sends: [
      settingsFrame([WINDOW, 0]),
      headersFrame(1, POST, false),
      dataFrame(1, HELLO, true),
      settingsFrame([WINDOW, 1]),
    ],
    says: "SETTINGS ACK, HEADERS 1 200, SETTINGS ACK, DATA 1 1",
  },
  {
    id: "http2/6.9.2/2",
    sends: [
      settingsFrame([WINDOW, 3]),
      headersFrame(1, POST, false),
      dataFrame(1, HELLO, true),
      settingsFrame([WINDOW, 2]),
      windowUpdateFrame(1, 2),
    ],
    says: "SETTINGS ACK, HEADERS 1 200, DATA 1 3, SETTINGS ACK, DATA 1 1",
  },
  { id: "http2/6.9.2/3", sends: [settingsFrame([WINDOW, 2 ** 31])], says: "GOAWAY FLOW_CONTROL_ERROR" },
  {
    id: "http2/6.10/1",
    sends: [
      rawHeaders(endStream, HALVES[0]),
      continuation(0, HALVES[1]),
      continuation(endHeaders, headerBlock([["x", "y"]])),
    ],
    says: ANSWERED,
  },
  {
    id: "http2/6.10/2",
    sends: [rawHeaders(endStream, HALVES[0]), continuation(0, HALVES[1]), dataFrame(1, HELLO)],
    says: PROTOCOL,
  },
  {
    id: "http2/6.10/3",
    sends: [rawHeaders(endStream, HALVES[0]), continuation(endHeaders, HALVES[1], 0)],
    says: PROTOCOL,
  },
  {
    id: "http2/6.10/4",
    sends: [headersFrame(1, POST, false), continuation(endHeaders, headerBlock([["x", "y"]]))],
    says: PROTOCOL,
  },
  {
    id: "http2/6.10/5",
    sends: [
      rawHeaders(0, HALVES[0]),
      continuation(endHeaders, HALVES[1]),
      continuation(endHeaders, headerBlock([["x", "y"]])),
    ],
    says: PROTOCOL,
  },
  {
    id: "http2/6.10/6",
    sends: [headersFrame(1, POST, false), dataFrame(1, HELLO), continuation(endHeaders, HALVES[1])],
    says: PROTOCOL,
  },
];

/** All cases. */
export const HTTP2_CASES: readonly Http2Case[] = [...ORDINARY_CASES, ...FRAMING, ...FRAMES, ...MESSAGE_CASES];
