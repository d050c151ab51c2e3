/**
 * What the other side has announced (RFC 9113, section 6.5), as far as a server needs it. Its limit for lists
 * of header fields is advice that answers do not come near; its header table is not used, and no frame is
 * larger than every client must take.
 *
 * @module
 */

import {
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MAX,
  Http2Code,
  Http2Error,
  readUint32,
  SettingId,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from "./frame.ts";

const SETTING_BYTES = 6;

/** See the module comment. */
export class PeerSettings {
  /** What may be sent on a new stream before credit comes, in bytes. */
  initialWindow = WINDOW_DEFAULT;

  /**
   * Takes a SETTINGS frame over. Its values come into force together: a frame with thousands of windows costs
   * the streams one change.
   *
   * @throws {Http2Error} when a value is out of its range
   */
  update(payload: Uint8Array): void {
    if (payload.length % SETTING_BYTES !== 0) {
      throw new Http2Error(
        Http2Code.frameSizeError,
        `SETTINGS has ${payload.length} bytes: not settings of 6`,
      );
    }
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      this.#set((payload[at]! << 8) | payload[at + 1]!, readUint32(payload, at + 2));
    }
  }

  #set(id: number, value: number): void {
    switch (id) {
      case SettingId.enablePush:
        if (value > 1) throw new Http2Error(Http2Code.protocolError, `ENABLE_PUSH is ${value}: 0 or 1`);
        break;
      case SettingId.initialWindowSize:
        if (value > WINDOW_MAX) {
          throw new Http2Error(
            Http2Code.flowControlError,
            `INITIAL_WINDOW_SIZE is ${value}: at most ${WINDOW_MAX}`,
          );
        }
        this.initialWindow = value;
        break;
      case SettingId.maxFrameSize:
        if (value < FRAME_BYTES_DEFAULT || value > FRAME_BYTES_MAX) {
          throw new Http2Error(
            Http2Code.protocolError,
            `MAX_FRAME_SIZE is ${value}: ${FRAME_BYTES_DEFAULT} to ${FRAME_BYTES_MAX}`,
          );
        }
        break;
      default:
        // Unknown ones are ignored (section 6.5.2), and so are those that only limit what is never sent.
    }
  }
}
