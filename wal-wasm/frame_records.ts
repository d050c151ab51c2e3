/**
 * Takes the records out of a frame that has been found valid. The WebAssembly module has proved that they
 * fill the frame exactly, so nothing here can read too far.
 *
 * @module
 */

import { FRAME_HEADER_BYTES } from "./layout.ts";
import type { RecoveredRecord, WalPosition } from "./record.ts";

/** A valid frame in memory of its own. */
export interface FrameCopy {
  readonly bytes: Uint8Array;
  readonly recordCount: number;
  readonly position: WalPosition;
}

/** Calls `visit` with each record, in the order they were appended. */
export function visitRecords(frame: FrameCopy, visit: (record: RecoveredRecord) => void): void {
  const { bytes, recordCount, position } = frame;
  let pointer = FRAME_HEADER_BYTES;
  const varint = () => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[pointer++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  for (let left = recordCount; left > 0; left--) {
    const group = varint();
    const kind = bytes[pointer++]!;
    const length = varint();
    const payload = bytes.subarray(pointer, pointer + length);
    pointer += length;
    visit({ group, kind, payload, position });
  }
}
