/**
 * The envelopes of Connect's streaming protocol: one byte of flags, four of big-endian length, the message.
 *
 * Source: Connect protocol reference, "Streaming RPCs".
 *
 * @module
 */

import { joinChunks } from "../http/mod.ts";

/** Bytes in front of each message. */
export const ENVELOPE_HEADER_BYTES = 5;

const FLAG_COMPRESSED = 1;
const FLAG_END_STREAM = 2;

/** A message of a stream. */
export interface Envelope {
  readonly isEnd: boolean;
  readonly message: Uint8Array;
}

/** What an envelope holds. */
export type EnvelopeKind = "message" | "end";

/** Writes the header of an envelope that holds `length` bytes. */
export function putEnvelopeHeader(
  target: Uint8Array,
  at: number,
  { length, kind = "message" }: { readonly length: number; readonly kind?: EnvelopeKind },
): void {
  target[at] = kind === "end" ? FLAG_END_STREAM : 0;
  target[at + 1] = length >>> 24;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 8;
  target[at + 4] = length;
}

/** Cuts a byte stream that arrives in arbitrary chunks into envelopes. */
export class EnvelopeReader {
  /** Largest message accepted. */
  bytesMax: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Bytes needed before the next envelope is complete, as far as known. */
  #wanted = ENVELOPE_HEADER_BYTES;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /**
   * The envelopes that `chunk` completes, as views where they lie in one chunk; all of them must be taken
   * before the next chunk comes.
   *
   * @throws {RangeError} for an oversized or compressed message
   */
  *read(chunk: Uint8Array): Generator<Envelope> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes < this.#wanted) return;
    const bytes = this.#waiting.length === 1 ? chunk : joinChunks(this.#waiting, this.#waitingBytes);
    let at = 0;
    for (;;) {
      const length = this.#lengthAt(bytes, at);
      this.#wanted = ENVELOPE_HEADER_BYTES + (length ?? 0);
      if (length === undefined || bytes.length - at < this.#wanted) break;
      const start = at + ENVELOPE_HEADER_BYTES;
      at = start + length;
      yield {
        isEnd: (bytes[start - ENVELOPE_HEADER_BYTES]! & FLAG_END_STREAM) !== 0,
        message: bytes.subarray(start, at),
      };
    }
    this.#keep(bytes.subarray(at));
  }

  #lengthAt(bytes: Uint8Array, at: number): number | undefined {
    if (bytes.length - at < ENVELOPE_HEADER_BYTES) return undefined;
    if ((bytes[at]! & FLAG_COMPRESSED) !== 0) throw new RangeError("Cannot read a compressed message");
    const length = bytes[at + 1]! * 2 ** 24 + (bytes[at + 2]! << 16 | bytes[at + 3]! << 8 | bytes[at + 4]!);
    if (length > this.bytesMax) {
      throw new RangeError(`Cannot read a message of ${length} bytes: the limit is ${this.bytesMax}`);
    }
    return length;
  }

  #keep(rest: Uint8Array): void {
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#waitingBytes = rest.length;
  }
}
