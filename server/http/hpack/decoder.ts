/**
 * Header blocks to header fields (RFC 7541, sections 3 and 6).
 *
 * **Bounds, kept while decoding.** A list that is larger than the limit is read to its end, because the
 * dynamic table must follow, but nothing more is collected: a block of one-byte references to one large entry
 * costs a look-up for each byte. Strings are read only if they are there as a whole; a Huffman code unfolds
 * to eight fifths of its length at most. So what a block costs is proportional to its own bytes.
 *
 * @module
 */

import { DynamicTable } from "./dynamic_table.ts";
import { type HeaderList, HpackField } from "./field.ts";
import { decodedBytesMax, decodeHuffman } from "./huffman.ts";
import { RecentBlock } from "./recent_block.ts";
import { STATIC_ENTRIES, STATIC_TABLE } from "./static_table.ts";

/** What a decoder offers for the dynamic table: SETTINGS_HEADER_TABLE_SIZE unless announced otherwise. */
export const HEADER_TABLE_BYTES = 4_096;

/** Larger integers have no use here; the sum below stays a safe integer. */
const INTEGER_SHIFT_MAX = 28;
/** Strings of up to so many bytes become one call; more would overflow the stack of arguments. */
const CHARS_AT_ONCE = 4_096;

/** The block breaks the rules of compression: a connection error (RFC 9113, section 4.3). */
export class HpackError extends Error {
  override readonly name = "HpackError";
}

/** Settings of a decoder. */
export interface HpackDecoderOptions {
  /** Bytes of a list as RFC 9113, section 6.5.2, counts them: SETTINGS_MAX_HEADER_LIST_SIZE. */
  readonly listBytesMax: number;
  /** Bytes; {@linkcode HEADER_TABLE_BYTES} unless given. */
  readonly tableBytesMax?: number;
  /** A field of this name is kept, once, even where the list has become too large. */
  readonly keptName?: string;
}

/** See the module comment. One for each connection: blocks must be given in the order in which they came. */
export class HpackDecoder {
  readonly #listBytesMax: number;
  readonly #tableBytesMax: number;
  readonly #keptName: string | undefined;
  readonly #table: DynamicTable;
  readonly #recent = new RecentBlock();
  #scratch = new Uint8Array(256);
  /** The block that is being read. */
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor({ listBytesMax, tableBytesMax = HEADER_TABLE_BYTES, keptName }: HpackDecoderOptions) {
    this.#listBytesMax = listBytesMax;
    this.#keptName = keptName;
    this.#tableBytesMax = tableBytesMax;
    this.#table = new DynamicTable(tableBytesMax);
  }

  /** Bytes that the dynamic table holds, as RFC 7541, section 4.1, counts them. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /**
   * Decodes one whole block, which is not kept. A block that repeats the last one, and means the same, gives
   * the very same list.
   *
   * @throws {HpackError} when it breaks RFC 7541; the decoder is of no use afterwards
   */
  decode(block: Uint8Array): HeaderList {
    const { changes } = this.#table;
    const known = this.#recent.again(block, changes);
    if (known !== undefined) return known;
    const list = this.#decode(block);
    // A block that changes the table means something else the next time.
    if (this.#table.changes === changes) this.#recent.remember(block, { list, changes });
    return list;
  }

  /** Whether `list` may be given again. */
  remembers(list: HeaderList): boolean {
    return this.#recent.list === list;
  }

  #decode(block: Uint8Array): HeaderList {
    this.#bytes = block;
    this.#at = 0;
    this.#end = block.length;
    this.#readSizeUpdates();
    const fields: HpackField[] = [];
    let bytes = 0;
    let kept: HpackField | undefined;
    while (this.#at < this.#end) {
      const field = this.#readField();
      bytes += field.size;
      if (bytes <= this.#listBytesMax) fields.push(field);
      else if (field.name === this.#keptName) kept ??= field;
    }
    if (kept !== undefined) fields.push(kept);
    return { fields, isTooLarge: bytes > this.#listBytesMax };
  }

  /** They stand at the beginning of a block only (RFC 7541, section 4.2). */
  #readSizeUpdates(): void {
    while (this.#at < this.#end && (this.#bytes[this.#at]! & 0xe0) === 0x20) {
      const bytesMax = this.#readInteger(5);
      if (bytesMax > this.#tableBytesMax) {
        throw new HpackError(`table size ${bytesMax} is above the limit ${this.#tableBytesMax}`);
      }
      this.#table.resize(bytesMax);
    }
  }

  #readField(): HpackField {
    const first = this.#bytes[this.#at]!;
    if (first >= 0x80) return this.#entry(this.#readInteger(7));
    if (first >= 0x40) {
      const field = this.#readLiteral(6);
      this.#table.add(field);
      return field;
    }
    if (first >= 0x20) throw new HpackError("a table size update stands behind a field");
    return this.#readLiteral(4);
  }

  #readLiteral(prefixBits: number): HpackField {
    const index = this.#readInteger(prefixBits);
    const name = index === 0 ? this.#readString() : this.#entry(index).name;
    return new HpackField(name, this.#readString());
  }

  #entry(index: number): HpackField {
    const field = index <= STATIC_ENTRIES ? STATIC_TABLE[index] : this.#table.at(index - STATIC_ENTRIES - 1);
    if (field === undefined) throw new HpackError(`there is no entry at index ${index}`);
    return field;
  }

  /** RFC 7541, section 5.1; never above 2^28 + 2^28 * 128. */
  #readInteger(prefixBits: number): number {
    const full = (1 << prefixBits) - 1;
    let value = this.#bytes[this.#at++]! & full;
    if (value < full) return value;
    for (let shift = 0;; shift += 7) {
      if (this.#at >= this.#end) throw new HpackError("the block ends within an integer");
      if (shift > INTEGER_SHIFT_MAX) throw new HpackError("an integer is too large");
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  #readString(): string {
    if (this.#at >= this.#end) throw new HpackError("the block ends before a string");
    const isHuffman = this.#bytes[this.#at]! >= 0x80;
    const length = this.#readInteger(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw new HpackError("the block ends within a string");
    this.#at = end;
    if (!isHuffman) return latin1(this.#bytes, start, end);
    const room = decodedBytesMax(length);
    const target = room <= this.#scratch.length ? this.#scratch : new Uint8Array(room);
    const decoded = decodeHuffman({ bytes: this.#bytes, start, end }, target);
    if (decoded < 0) throw new HpackError("a string is not in the Huffman code");
    return latin1(target, 0, decoded);
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= CHARS_AT_ONCE) return fromChars(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at += CHARS_AT_ONCE) {
    text += fromChars(bytes.subarray(at, Math.min(at + CHARS_AT_ONCE, end)));
  }
  return text;
}

function fromChars(bytes: Uint8Array): string {
  return Reflect.apply(String.fromCharCode, undefined, bytes);
}
