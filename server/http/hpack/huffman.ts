/**
 * The Huffman code of header strings (RFC 7541, section 5.2 and appendix B).
 *
 * The code of the appendix is canonical: among codes of one length the order is that of the symbols, and a
 * longer code goes on where the shorter ones end. So the lengths alone give all codes.
 *
 * Decoding goes by half bytes. A state is an inner node of the code's tree, and no code is shorter than five
 * bits, so a half byte ends one symbol at most: a table of 256 states by 16 half bytes has the next state and
 * the symbol, and two look-ups decode a byte.
 *
 * @module
 */

/** Bits of the code of each byte, and of the end of the string (256), as digits of base 36. */
const LENGTHS = "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca" +
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds" +
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq" +
  "u";

const EOS = 256;
const HALF_BYTES = 16;
/** In place of a symbol: the half byte ends none. */
const NO_SYMBOL = 0xffff;
/** In place of a symbol: the code for the end of the string, which no string may hold. */
const BAD_SYMBOL = 0xfffe;
/** A longer rest of ones than this is no padding (RFC 7541, section 5.2). */
const PADDING_BITS_MAX = 7;

/** Codes by symbol, at most 30 bits each, and their lengths in bits. */
export const HUFFMAN_LENGTHS: Uint8Array = Uint8Array.from(LENGTHS, (digit) => parseInt(digit, 36));
export const HUFFMAN_CODES: Uint32Array = canonicalCodes(HUFFMAN_LENGTHS);

function canonicalCodes(lengths: Uint8Array): Uint32Array {
  const order = [...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const codes = new Uint32Array(lengths.length);
  let next = 0;
  let bits = 0;
  for (const symbol of order) {
    next <<= lengths[symbol]! - bits;
    bits = lengths[symbol]!;
    codes[symbol] = next++;
  }
  return codes;
}

/** What a half byte does in a state. */
interface Transitions {
  /** The next state, by state * 16 + half byte. */
  readonly next: Uint16Array;
  readonly symbols: Uint16Array;
  /** By state: whether a string may end there, which is after less than a byte of ones. */
  readonly mayEnd: Uint8Array;
}

const TRANSITIONS = buildTransitions();

function buildTransitions(): Transitions {
  const children = buildTree();
  const states = children.length / 2;
  const next = new Uint16Array(states * HALF_BYTES);
  const symbols = new Uint16Array(states * HALF_BYTES).fill(NO_SYMBOL);
  for (let at = 0; at < next.length; at++) {
    let node = at >> 4;
    for (let bit = 3; bit >= 0; bit--) {
      const child = children[node * 2 + ((at >> bit) & 1)]!;
      if (child < 0) symbols[at] = ~child === EOS ? BAD_SYMBOL : ~child;
      node = Math.max(child, 0);
    }
    next[at] = node;
  }
  const mayEnd = new Uint8Array(states);
  for (let node = 0, bits = 0; bits <= PADDING_BITS_MAX; bits++) {
    mayEnd[node] = 1;
    node = children[node * 2 + 1]!;
  }
  return { next, symbols, mayEnd };
}

/** The children of each inner node, two by two: an inner node, or `~symbol` for a leaf. 0 is the root. */
function buildTree(): number[] {
  const children = [0, 0];
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = HUFFMAN_LENGTHS[symbol]! - 1; bit >= 0; bit--) {
      const at = node * 2 + ((HUFFMAN_CODES[symbol]! >> bit) & 1);
      if (bit === 0) children[at] = ~symbol;
      else if (children[at] === 0) children[at] = children.push(0, 0) / 2 - 1;
      node = children[at]!;
    }
  }
  return children;
}

/** Bytes that `length` bytes of code may stand for at most: no code has less than five bits. */
export function decodedBytesMax(length: number): number {
  return Math.floor((length * 8) / 5);
}

/** Where coded bytes are. */
export interface CodedString {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Decodes into `target`, which has room for {@linkcode decodedBytesMax}.
 *
 * @returns bytes written, or -1 if this is no code: an end of the string within it, or a wrong padding
 */
export function decodeHuffman({ bytes, start, end }: CodedString, target: Uint8Array): number {
  const { next, symbols, mayEnd } = TRANSITIONS;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    for (let half = byte >> 4, isLast = false;; half = byte & 15, isLast = true) {
      const index = (state << 4) | half;
      const symbol = symbols[index]!;
      if (symbol < EOS) target[length++] = symbol;
      else if (symbol === BAD_SYMBOL) return -1;
      state = next[index]!;
      if (isLast) break;
    }
  }
  return mayEnd[state] === 1 ? length : -1;
}
