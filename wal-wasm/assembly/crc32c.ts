/**
 * CRC-32C (Castagnoli), reflected, polynomial 0x82f63b78; the CRC of "123456789" is 0xe3069283.
 *
 * WebAssembly has neither a CRC instruction nor carry-less multiplication, so this is table work: slicing by
 * 16 (Kounavis and Berry), one load a byte. A single stream waits for its own last result at every step; long
 * inputs are therefore cut into three neighbouring blocks whose CRCs run side by side, and are joined by
 * moving the first two over the length of what follows (a linear map, four table loads).
 *
 * @module
 */

import { fillLaneTables, LANE_BYTES, LANES_BYTES, sixteenBlocks } from "./crc32c_lanes";
import { CRC_TABLES, SHIFT_TABLES } from "./layout";

const POLYNOMIAL: u32 = 0x82f63b78;
/** Bytes of each of the three streams; shorter joins cost more than they bring. */
const BLOCK: u32 = 512;
/** Distance between two tables. */
const TABLE: u32 = 1024;

/** Fills the tables; called once, at start. */
export function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    store<u32>(CRC_TABLES + (byte << 2), crc);
  }
  for (let byte: u32 = 0; byte < 256; byte++) {
    let crc = load<u32>(CRC_TABLES + (byte << 2));
    for (let table: u32 = 1; table < 16; table++) {
      crc = load<u32>(CRC_TABLES + ((crc & 255) << 2)) ^ (crc >>> 8);
      store<u32>(CRC_TABLES + table * TABLE + (byte << 2), crc);
    }
  }
  fillShift(SHIFT_TABLES, BLOCK);
  fillShift(SHIFT_TABLES + 4 * TABLE, 2 * BLOCK);
  fillShift(SHIFT_TABLES + 8 * TABLE, LANE_BYTES);
  fillLaneTables();
}

/** Tables that turn the register before `distance` zero bytes into the register after them. */
function fillShift(target: u32, distance: u32): void {
  for (let lane: u32 = 0; lane < 4; lane++) {
    for (let byte: u32 = 0; byte < 256; byte++) {
      let register = byte << (lane << 3);
      for (let step: u32 = 0; step < distance; step++) {
        register = load<u32>(CRC_TABLES + ((register & 255) << 2)) ^ (register >>> 8);
      }
      store<u32>(target + lane * TABLE + (byte << 2), register);
    }
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function shift(tables: u32, register: u32): u32 {
  return load<u32>(tables + ((register & 255) << 2)) ^
    load<u32>(tables + TABLE + (((register >>> 8) & 255) << 2)) ^
    load<u32>(tables + 2 * TABLE + (((register >>> 16) & 255) << 2)) ^
    load<u32>(tables + 3 * TABLE + ((register >>> 24) << 2));
}

/** The register after the eight bytes of `word`, the old register already mixed in. */
// @ts-ignore: AssemblyScript decorator
@inline
function fold8(word: u64): u32 {
  return load<u32>(((word as u32) & 255) << 2, CRC_TABLES + 7 * TABLE) ^
    load<u32>((((word >>> 8) as u32) & 255) << 2, CRC_TABLES + 6 * TABLE) ^
    load<u32>((((word >>> 16) as u32) & 255) << 2, CRC_TABLES + 5 * TABLE) ^
    load<u32>((((word >>> 24) as u32) & 255) << 2, CRC_TABLES + 4 * TABLE) ^
    load<u32>((((word >>> 32) as u32) & 255) << 2, CRC_TABLES + 3 * TABLE) ^
    load<u32>((((word >>> 40) as u32) & 255) << 2, CRC_TABLES + 2 * TABLE) ^
    load<u32>((((word >>> 48) as u32) & 255) << 2, CRC_TABLES + 1 * TABLE) ^
    load<u32>(((word >>> 56) as u32) << 2, CRC_TABLES);
}

/** Like `fold8` for eight bytes that eight more follow. */
// @ts-ignore: AssemblyScript decorator
@inline
function fold8Ahead(word: u64): u32 {
  return load<u32>(((word as u32) & 255) << 2, CRC_TABLES + 15 * TABLE) ^
    load<u32>((((word >>> 8) as u32) & 255) << 2, CRC_TABLES + 14 * TABLE) ^
    load<u32>((((word >>> 16) as u32) & 255) << 2, CRC_TABLES + 13 * TABLE) ^
    load<u32>((((word >>> 24) as u32) & 255) << 2, CRC_TABLES + 12 * TABLE) ^
    load<u32>((((word >>> 32) as u32) & 255) << 2, CRC_TABLES + 11 * TABLE) ^
    load<u32>((((word >>> 40) as u32) & 255) << 2, CRC_TABLES + 10 * TABLE) ^
    load<u32>((((word >>> 48) as u32) & 255) << 2, CRC_TABLES + 9 * TABLE) ^
    load<u32>(((word >>> 56) as u32) << 2, CRC_TABLES + 8 * TABLE);
}

/** The register after the three blocks at `pointer`. */
function threeBlocks(pointer: u32, register: u32): u32 {
  let first = register;
  let second: u32 = 0;
  let third: u32 = 0;
  const end = pointer + BLOCK;
  while (pointer < end) {
    first = fold8(load<u64>(pointer) ^ (first as u64));
    second = fold8(load<u64>(pointer, BLOCK) ^ (second as u64));
    third = fold8(load<u64>(pointer, 2 * BLOCK) ^ (third as u64));
    pointer += 8;
  }
  return shift(SHIFT_TABLES + 4 * TABLE, first) ^ shift(SHIFT_TABLES, second) ^ third;
}

/** The register after the sixteen blocks at `pointer`: each is moved over the next and joined with it. */
function sixteenJoined(pointer: u32, register: u32): u32 {
  const registers = sixteenBlocks(pointer, register);
  let joined = load<u32>(registers);
  for (let lane: u32 = 1; lane < 16; lane++) {
    joined = shift(SHIFT_TABLES + 8 * TABLE, joined) ^ load<u32>(registers + (lane << 2));
  }
  return joined;
}

/** The CRC-32C of bytes whose CRC is `seed`, followed by `length` bytes at `pointer`. */
export function crc32c(pointer: u32, length: u32, seed: u32): u32 {
  let register = ~seed;
  while (length >= LANES_BYTES) {
    register = sixteenJoined(pointer, register);
    pointer += LANES_BYTES;
    length -= LANES_BYTES;
  }
  while (length >= 3 * BLOCK) {
    register = threeBlocks(pointer, register);
    pointer += 3 * BLOCK;
    length -= 3 * BLOCK;
  }
  while (length >= 16) {
    register = fold8Ahead(load<u64>(pointer) ^ (register as u64)) ^ fold8(load<u64>(pointer, 8));
    pointer += 16;
    length -= 16;
  }
  if (length >= 8) {
    register = fold8(load<u64>(pointer) ^ (register as u64));
    pointer += 8;
    length -= 8;
  }
  for (const end = pointer + length; pointer < end; pointer++) {
    register = load<u32>(((register ^ (load<u8>(pointer) as u32)) & 255) << 2, CRC_TABLES) ^ (register >>> 8);
  }
  return ~register;
}
