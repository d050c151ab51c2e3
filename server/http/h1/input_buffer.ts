/**
 * Bytes that were read and not used yet. Mostly one chunk, used where it lies; a head that comes in many
 * pieces is put together with room to grow, so that a sender of single bytes does not make every byte be
 * copied once for each that follows.
 *
 * @module
 */

const EMPTY = new Uint8Array();
const STORE_BYTES_MIN = 1_024;

/** See the module comment. */
export class InputBuffer {
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  /** Holds `#bytes` at its beginning, with room behind; nothing of it was used yet if `#at` is 0. */
  #store: Uint8Array | undefined;

  /** What is there, the part that was used included: only from {@linkcode at} on it is valid. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get at(): number {
    return this.#at;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** What was not used yet, in bytes. */
  get restBytes(): number {
    return this.#bytes.length - this.#at;
  }

  /** Bytes of memory that are held for what is there. */
  get heldBytes(): number {
    return this.#store?.length ?? this.#bytes.length;
  }

  /** Adds what came next. */
  add(chunk: Uint8Array): void {
    const rest = this.#bytes.length - this.#at;
    if (rest === 0) {
      this.#bytes = chunk;
      this.#at = 0;
      this.#store = undefined;
      return;
    }
    const length = rest + chunk.length;
    if (this.#store === undefined || this.#at > 0 || length > this.#store.length) {
      const store = new Uint8Array(Math.max(STORE_BYTES_MIN, 2 * length));
      store.set(this.#bytes.subarray(this.#at));
      this.#store = store;
      this.#at = 0;
    }
    this.#store.set(chunk, rest);
    this.#bytes = this.#store.subarray(0, length);
  }

  /** Everything before `at` was used, and may be referred to by whoever used it. */
  moveTo(at: number): void {
    this.#at = at;
    if (at === this.#bytes.length) this.clear();
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#at = 0;
    this.#store = undefined;
  }
}
