/**
 * The last envelope of a streamed answer, found as its bytes go by in pieces that end anywhere. In it Connect
 * and gRPC-Web say how a call ended; those before it are passed over unread.
 *
 * ```
 * byte 0   1 … 4                5 …
 * flags    length, big-endian   content
 * ```
 *
 * @module
 */

const PREFIX_BYTES = 5;
/** The content is compressed, and not read for that. */
const COMPRESSED_FLAG = 0x01;

/** See the module comment. */
export class LastEnvelope {
  readonly #flag: number;
  readonly #bytesMax: number;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixBytes = 0;
  /** Of the content under way. */
  #missingBytes = 0;
  #kept: Uint8Array | undefined;

  /**
   * @param flag marks the last envelope
   * @param bytesMax one with more is not kept
   */
  constructor(flag: number, bytesMax: number) {
    this.#flag = flag;
    this.#bytesMax = bytesMax;
  }

  /** Its content once it is there as a whole. */
  get content(): Uint8Array | undefined {
    return this.#missingBytes === 0 ? this.#kept : undefined;
  }

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#missingBytes > 0) {
        const piece = bytes.subarray(at, at + this.#missingBytes);
        this.#kept?.set(piece, this.#kept.length - this.#missingBytes);
        this.#missingBytes -= piece.length;
        at += piece.length;
      } else {
        this.#prefix[this.#prefixBytes++] = bytes[at++]!;
        if (this.#prefixBytes === PREFIX_BYTES) this.#open();
      }
    }
  }

  #open(): void {
    this.#prefixBytes = 0;
    const flags = this.#prefix[0]!;
    const length = new DataView(this.#prefix.buffer).getUint32(1);
    this.#missingBytes = length;
    const isLast = (flags & this.#flag) !== 0 && (flags & COMPRESSED_FLAG) === 0;
    this.#kept = isLast && length <= this.#bytesMax ? new Uint8Array(length) : undefined;
  }
}
