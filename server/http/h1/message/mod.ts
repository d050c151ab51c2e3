/**
 * Requests of HTTP/1.1 and 1.0 as bytes (RFC 9112): where a head ends, what it says, and which bytes behind
 * it are its body. Pure: bytes go in, and what they mean comes out.
 *
 * **What it owns.** The grammar, strictly, and the refusals of everything that is not in it. What two readers
 * of one connection could understand in two ways is refused, because requests are smuggled past the first of
 * them through such differences.
 *
 * **Read in this order.** `head_scanner` finds a head, `head_parser` reads it: `field_table` keeps its
 * fields, `framing` says what they mean for the message, `target` what the request is for; `recent_head`
 * keeps the last one at hand. `body_decoder` finds the pieces of a body. `syntax` has the table of bytes,
 * `head_fault` the refusals, and `origin_line` finds the page that one is for.
 *
 * **What it never does.** It waits for nothing, keeps no bytes but one head of at most 512, and does not know
 * how a request is answered.
 *
 * **Invariants**
 *
 * - What a head or a body means does not depend on how it was cut into chunks.
 * - No input makes anything here throw, and no byte of a head is looked at more than a few times.
 *
 * @module
 */

export { BodyDecoder, CHUNK_EXTRA_BYTES_MAX } from "./body_decoder.ts";
export { FIELDS_MAX, type HeadFault } from "./head_fault.ts";
export { type ParsedHead, parseHead } from "./head_parser.ts";
export { HEAD_SURPLUS_BYTES, HeadScanner } from "./head_scanner.ts";
export { originIn } from "./origin_line.ts";
export { RecentHead } from "./recent_head.ts";
export { isAuthority } from "./target.ts";
