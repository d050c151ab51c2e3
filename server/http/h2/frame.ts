/**
 * Names and numbers of HTTP/2 (RFC 9113, sections 6 and 7).
 *
 * @module
 */

/** Length, type, flags and stream id before each payload (section 4.1). */
export const FRAME_HEAD_BYTES = 9;

/** Payload bytes of a frame that may be sent without the other side's consent (section 4.2). */
export const FRAME_BYTES_DEFAULT = 16_384;
/** The largest SETTINGS_MAX_FRAME_SIZE there is. */
export const FRAME_BYTES_MAX = 2 ** 24 - 1;

/** Send and receive windows before anybody changed them (section 6.9.2). */
export const WINDOW_DEFAULT = 65_535;
/** No window may be larger (section 6.9.1). */
export const WINDOW_MAX = 2 ** 31 - 1;

/** The largest stream id. */
export const STREAM_ID_MAX = 2 ** 31 - 1;

/** Types of frames. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags; what a bit means depends on the type. */
export const FrameFlag = {
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** Identifiers of settings (section 6.5.2). */
export const SettingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Error codes (section 7). */
export const Http2Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

/** One of {@linkcode Http2Code}. */
export type Http2CodeValue = (typeof Http2Code)[keyof typeof Http2Code];

/** A frame whose payload is there as a whole. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** A view: into the chunk it came in, or into bytes of its own if it came in pieces. */
  readonly payload: Uint8Array;
}

/** A connection error (section 5.4.1): it ends the connection with GOAWAY. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: Http2CodeValue;

  constructor(code: Http2CodeValue, message: string) {
    super(message);
    this.code = code;
  }
}

/** A big-endian number of 32 bits. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** A stream id or an increment: 31 bits, the reserved one is ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) & 0x7fffffff;
}
