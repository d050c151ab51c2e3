/**
 * CRC-32C of sixteen neighbouring blocks at once, one in each lane of a vector.
 *
 * The register of each block is spread over four vectors, one for each of its bytes. A step takes one byte of
 * every block: a table of 256 words is linear, so looking up a byte is looking up its two halves in tables of
 * 16, and such a table, one byte of it at a time, fits a vector that `swizzle` reads sixteen times at once.
 * Blocks are turned on their side first, sixteen by sixteen bytes, with unpacking shuffles.
 *
 * ```
 * r0 r1 r2 r3   register, lowest byte first        x = r0 ^ data
 * r0' = r1 ^ T0[x]   r1' = r2 ^ T1[x]   r2' = r3 ^ T2[x]   r3' = T3[x]
 * Tk[x] = LOWk[x & 15] ^ HIGHk[x >> 4]
 * ```
 *
 * @module
 */

import { CRC_TABLES, LANE_SCRATCH } from "./layout";

/** Bytes of each block; a multiple of sixteen. */
export const LANE_BYTES: u32 = 256;
/** Bytes of sixteen blocks. */
export const LANES_BYTES: u32 = 16 * LANE_BYTES;

/** Byte `plane` of the table's words for the low or the high half of a byte. */
function halfTable(target: u32, plane: u32, bits: u32): void {
  for (let half: u32 = 0; half < 16; half++) {
    store<u8>(target + half, load<u8>(CRC_TABLES + ((half << bits) << 2) + plane));
  }
}

/** Fills the half tables from the table of bytes. */
export function fillLaneTables(): void {
  for (let plane: u32 = 0; plane < 4; plane++) {
    halfTable(LANE_SCRATCH + 32 * plane, plane, 0);
    halfTable(LANE_SCRATCH + 32 * plane + 16, plane, 4);
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function low(left: v128, right: v128): v128 {
  return i8x16.shuffle(left, right, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: AssemblyScript decorator
@inline
function high(left: v128, right: v128): v128 {
  return i8x16.shuffle(left, right, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Where sixteen turned vectors lie, and behind them the registers. */
const TURNED: u32 = LANE_SCRATCH + 128;
const OTHER: u32 = TURNED + 256;
const REGISTERS: u32 = OTHER + 256;

// @ts-ignore: AssemblyScript decorator
@inline
function turnPair(from: u32, step: u32, to: u32): void {
  const left = v128.load(from);
  const right = v128.load(from + 8 * step);
  v128.store(to, low(left, right));
  v128.store(to, high(left, right), 16);
}

/** One of four rounds that turn sixteen vectors on their side: those half the way apart are interleaved. */
// @ts-ignore: AssemblyScript decorator
@inline
function turnRound(from: u32, step: u32, to: u32): void {
  turnPair(from, step, to);
  turnPair(from + step, step, to + 32);
  turnPair(from + 2 * step, step, to + 64);
  turnPair(from + 3 * step, step, to + 96);
  turnPair(from + 4 * step, step, to + 128);
  turnPair(from + 5 * step, step, to + 160);
  turnPair(from + 6 * step, step, to + 192);
  turnPair(from + 7 * step, step, to + 224);
}

/**
 * The registers of the sixteen blocks at `pointer`, the first of which starts from `register`, the others
 * from 0. They are left as sixteen words at the returned place.
 */
export function sixteenBlocks(pointer: u32, register: u32): u32 {
  let r0 = i8x16.replace_lane(i8x16.splat(0), 0, register as i8);
  let r1 = i8x16.replace_lane(i8x16.splat(0), 0, (register >>> 8) as i8);
  let r2 = i8x16.replace_lane(i8x16.splat(0), 0, (register >>> 16) as i8);
  let r3 = i8x16.replace_lane(i8x16.splat(0), 0, (register >>> 24) as i8);
  const low0 = v128.load(LANE_SCRATCH), high0 = v128.load(LANE_SCRATCH, 16);
  const low1 = v128.load(LANE_SCRATCH, 32), high1 = v128.load(LANE_SCRATCH, 48);
  const low2 = v128.load(LANE_SCRATCH, 64), high2 = v128.load(LANE_SCRATCH, 80);
  const low3 = v128.load(LANE_SCRATCH, 96), high3 = v128.load(LANE_SCRATCH, 112);
  const mask = i8x16.splat(15);
  for (let column: u32 = 0; column < LANE_BYTES; column += 16) {
    turnRound(pointer + column, LANE_BYTES, TURNED);
    turnRound(TURNED, 16, OTHER);
    turnRound(OTHER, 16, TURNED);
    turnRound(TURNED, 16, OTHER);
    for (let row: u32 = OTHER; row < OTHER + 256; row += 16) {
      const mixed = v128.xor(r0, v128.load(row));
      const lower = v128.and(mixed, mask);
      const upper = i8x16.shr_u(mixed, 4);
      r0 = v128.xor(r1, v128.xor(i8x16.relaxed_swizzle(low0, lower), i8x16.relaxed_swizzle(high0, upper)));
      r1 = v128.xor(r2, v128.xor(i8x16.relaxed_swizzle(low1, lower), i8x16.relaxed_swizzle(high1, upper)));
      r2 = v128.xor(r3, v128.xor(i8x16.relaxed_swizzle(low2, lower), i8x16.relaxed_swizzle(high2, upper)));
      r3 = v128.xor(i8x16.relaxed_swizzle(low3, lower), i8x16.relaxed_swizzle(high3, upper));
    }
  }
  const a = low(r0, r1), b = low(r2, r3), c = high(r0, r1), d = high(r2, r3);
  v128.store(REGISTERS, i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23));
  const ab = i8x16.shuffle(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
  v128.store(REGISTERS, ab, 16);
  v128.store(REGISTERS, i8x16.shuffle(c, d, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23), 32);
  const cd = i8x16.shuffle(c, d, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
  v128.store(REGISTERS, cd, 48);
  return REGISTERS;
}
