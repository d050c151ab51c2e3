/**
 * One header field as compression sees it.
 *
 * @module
 */

/** What the tables add to the bytes of a field, and what lists of fields count (RFC 7541, section 4.1). */
export const FIELD_OVERHEAD_BYTES = 32;

/** Strings have one character for each byte. */
export class HpackField {
  readonly name: string;
  readonly value: string;
  /** Bytes that it takes of a table or of a list. */
  readonly size: number;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + FIELD_OVERHEAD_BYTES;
  }
}

/** What was in a block. */
export interface HeaderList {
  readonly fields: readonly HpackField[];
  /** The list is larger than the limit: `fields` has its beginning only, and the field to be kept. */
  readonly isTooLarge: boolean;
}
