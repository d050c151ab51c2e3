/**
 * Compression of header fields for HTTP/2 (RFC 7541): blocks of requests to fields, fields of answers to
 * blocks.
 *
 * **What it owns.** The dynamic table of a connection's decoder. It knows neither frames nor what a field
 * means.
 *
 * **Read in this order.** `field.ts`, `static_table.ts`, `dynamic_table.ts`, `huffman.ts`: the parts.
 * `decoder.ts`, `recent_block.ts`: the way in. `encoder.ts`: the way out, and why it has no table.
 *
 * **What it never does.** It does not judge names and values, and does not wait for the rest of a block.
 *
 * **Invariants**
 *
 * - A block costs time and memory proportional to its own bytes, whatever the tables hold.
 * - The dynamic table never holds more than was offered: 4,096 bytes.
 * - What breaks RFC 7541 throws `HpackError`, and nothing else is ever thrown.
 *
 * @module
 */

export { HpackDecoder, HpackError } from "./decoder.ts";
export { encodeFields, encodeStatus, fieldBytesMax, STATUS_BYTES_MAX, TABLE_SIZE_ZERO } from "./encoder.ts";
export type { HeaderList, HpackField } from "./field.ts";
