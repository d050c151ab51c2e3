/**
 * What ordinary clients do to a server of HTTP/2: see `http2_cases.ts`.
 *
 * @module
 */

import { FrameFlag, FrameType } from "../../server/http/h2/frame.ts";
import {
  ANSWERED,
  BLOCK,
  continuation,
  ECHOED,
  getThen,
  getWith,
  goAwayFrame,
  HALVES,
  HELLO,
  type Http2Case,
  POST,
  priorityFrame,
  rawHeaders,
  UNANSWERED,
  WINDOW,
} from "./http2_case.ts";
import {
  dataFrame,
  frameBytes,
  headersFrame,
  pingFrame,
  requestFields,
  resetFrame,
  settingsFrame,
  uint32,
  windowUpdateFrame,
} from "./http2_frames.ts";
import { concatBytes } from "./memory_channel.ts";

const { endHeaders, endStream, padded, priority } = FrameFlag;

/** What ordinary clients do: h2spec's generic cases. */
export const ORDINARY_CASES: readonly Http2Case[] = [
  { id: "generic/1/1", sends: [], says: "" },
  { id: "generic/2/1", sends: [priorityFrame(1, 0), getWith()], says: ANSWERED },
  {
    id: "generic/2/2",
    sends: [getWith(), windowUpdateFrame(1, 100)],
    says: "",
    options: UNANSWERED,
  },
  { id: "generic/2/3", sends: [getWith(), priorityFrame(1, 0)], says: "", options: UNANSWERED },
  {
    id: "generic/2/4",
    sends: [getWith(), resetFrame(1), pingFrame()],
    says: "PING ACK",
    options: UNANSWERED,
  },
  { id: "generic/2/5", sends: [getWith(), priorityFrame(1, 0)], says: ANSWERED },
  { id: "generic/3.1/1", sends: [headersFrame(1, POST, false), dataFrame(1, HELLO, true)], says: ECHOED },
  {
    id: "generic/3.1/2",
    sends: [
      headersFrame(1, POST, false),
      dataFrame(1, HELLO.slice(0, 2)),
      dataFrame(1, HELLO.slice(2), true),
    ],
    says: ECHOED,
  },
  {
    id: "generic/3.1/3",
    sends: [
      headersFrame(1, POST, false),
      frameBytes({
        type: FrameType.data,
        flags: padded | endStream,
        stream: 1,
        payload: concatBytes([Uint8Array.of(6), HELLO, new Uint8Array(6)]),
      }),
    ],
    says: ECHOED,
  },
  { id: "generic/3.2/1", sends: [getWith()], says: ANSWERED },
  {
    id: "generic/3.2/2",
    sends: [
      rawHeaders(endHeaders | endStream | padded, concatBytes([Uint8Array.of(6), BLOCK, new Uint8Array(6)])),
    ],
    says: ANSWERED,
  },
  {
    id: "generic/3.2/3",
    sends: [
      rawHeaders(endHeaders | endStream | priority, concatBytes([uint32(0), Uint8Array.of(255), BLOCK])),
    ],
    says: ANSWERED,
  },
  { id: "generic/3.3/1", sends: [priorityFrame(1, 0, 0), getWith()], says: ANSWERED },
  { id: "generic/3.3/2", sends: [priorityFrame(1, 0, 255), getWith()], says: ANSWERED },
  { id: "generic/3.3/3", sends: [priorityFrame(1, 3, 9), getWith()], says: ANSWERED },
  { id: "generic/3.3/4", sends: [priorityFrame(1, 0x80000003, 9), getWith()], says: ANSWERED },
  { id: "generic/3.3/5", sends: [priorityFrame(5, 3, 9), getWith()], says: ANSWERED },
  {
    id: "generic/3.4/1",
    sends: [headersFrame(1, POST, false), resetFrame(1), pingFrame()],
    says: "PING ACK",
  },
  { id: "generic/3.5/1", sends: [settingsFrame([WINDOW, 100])], says: "SETTINGS ACK" },
  { id: "generic/3.7/1", sends: [pingFrame()], says: "PING ACK" },
  { id: "generic/3.8/1", sends: [goAwayFrame(0)], says: "GOAWAY NO_ERROR" },
  { id: "generic/3.9/1", sends: [windowUpdateFrame(0, 1), getWith()], says: ANSWERED },
  {
    id: "generic/3.9/2",
    sends: [headersFrame(1, POST, false), windowUpdateFrame(1, 1), dataFrame(1, HELLO, true)],
    says: ECHOED,
  },
  {
    id: "generic/3.10/1",
    sends: [rawHeaders(endStream, HALVES[0]), continuation(endHeaders, HALVES[1])],
    says: ANSWERED,
  },
  {
    id: "generic/3.10/2",
    sends: [
      rawHeaders(endStream, HALVES[0]),
      continuation(0, HALVES[1].slice(0, 1)),
      continuation(endHeaders, HALVES[1].slice(1)),
    ],
    says: ANSWERED,
  },
  { id: "generic/4/1", sends: [getWith()], says: ANSWERED },
  { id: "generic/4/2", sends: [headersFrame(1, requestFields("HEAD"))], says: ANSWERED },
  { id: "generic/4/3", sends: [headersFrame(1, POST, false), dataFrame(1, HELLO, true)], says: ECHOED },
  {
    id: "generic/4/4",
    sends: [headersFrame(1, POST, false), dataFrame(1, HELLO), headersFrame(1, [["x-sum", "1"]])],
    says: ECHOED,
  },
  // Every representation of RFC 7541, section 6, with names by index or not, Huffman coded or not.
  { id: "generic/5/1", sends: [getThen(0x90)], says: ANSWERED },
  { id: "generic/5/2", sends: [getThen(0x7a, 1, 0x61)], says: ANSWERED },
  { id: "generic/5/3", sends: [getThen(0x7a, 0x81, 0x1f)], says: ANSWERED },
  { id: "generic/5/4", sends: [getThen(0x40, 1, 0x61, 1, 0x62)], says: ANSWERED },
  { id: "generic/5/5", sends: [getThen(0x40, 0x81, 0x1f, 0x81, 0x1f)], says: ANSWERED },
  { id: "generic/5/6", sends: [getThen(0x0f, 0x2b, 1, 0x61)], says: ANSWERED },
  { id: "generic/5/7", sends: [getThen(0x0f, 0x2b, 0x81, 0x1f)], says: ANSWERED },
  { id: "generic/5/8", sends: [getThen(0x00, 1, 0x61, 1, 0x62)], says: ANSWERED },
  { id: "generic/5/9", sends: [getThen(0x00, 0x81, 0x1f, 0x81, 0x1f)], says: ANSWERED },
  { id: "generic/5/10", sends: [getThen(0x1f, 0x2b, 1, 0x61)], says: ANSWERED },
  { id: "generic/5/11", sends: [getThen(0x1f, 0x2b, 0x81, 0x1f)], says: ANSWERED },
  { id: "generic/5/12", sends: [getThen(0x10, 1, 0x61, 1, 0x62)], says: ANSWERED },
  { id: "generic/5/13", sends: [getThen(0x10, 0x81, 0x1f, 0x81, 0x1f)], says: ANSWERED },
  {
    id: "generic/5/14",
    sends: [rawHeaders(endHeaders | endStream, concatBytes([Uint8Array.of(0x20), BLOCK]))],
    says: ANSWERED,
  },
  {
    id: "generic/5/15",
    sends: [rawHeaders(endHeaders | endStream, concatBytes([Uint8Array.of(0x20, 0x3f, 0xe1, 0x1f), BLOCK]))],
    says: ANSWERED,
  },
];
