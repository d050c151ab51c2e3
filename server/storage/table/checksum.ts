/**
 * Identities of tables, and where the checksums of their parts start from, so that bytes in the wrong place
 * do not pass. See `../FORMAT.md`, "Seeds".
 *
 * @module
 */

import { crc32c } from "../../../wal-wasm/mod.ts";

/** Two random words of 32 bits, which only the files of one store know. */
export type StoreSalt = readonly [number, number];

/** What no other table has, wherever it is copied to. */
export interface TableIdentity {
  /** Of the store that wrote it. */
  readonly salt: StoreSalt;
  /** Of the file there. */
  readonly number: number;
}

/** Bytes of an identity. */
export const IDENTITY_BYTES = 16;
/** Bytes of a checksum. */
export const CHECKSUM_BYTES = 4;

const WORD = 2 ** 32;

/** Writes a whole number below 2^53 as a `u64`. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % WORD, true);
  view.setUint32(at + 4, Math.floor(value / WORD), true);
}

/** Reads a `u64`; above 2^53 it is not exact, and no safe integer. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * WORD + view.getUint32(at, true);
}

/** The 16 bytes of an identity. */
export function encodeIdentity({ salt, number }: TableIdentity): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(IDENTITY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, salt[0], true);
  view.setUint32(4, salt[1], true);
  putU64(view, 8, number);
  return bytes;
}

/** The identity in 16 bytes. */
export function decodeIdentity(bytes: Uint8Array): TableIdentity {
  const view = new DataView(bytes.buffer, bytes.byteOffset, IDENTITY_BYTES);
  return { salt: [view.getUint32(0, true), view.getUint32(4, true)], number: getU64(view, 8) };
}

/** What the checksums of a file start from, before the offset is mixed in. */
export function checksumSeed(identity: TableIdentity): number {
  return crc32c(encodeIdentity(identity));
}

/**
 * The checksum of a part that begins at `offset` of a file. Different offsets below 4 GiB give different
 * starts, and the same bytes from different starts never the same checksum.
 */
export function checksumAt(
  part: Uint8Array,
  where: { readonly seed: number; readonly offset: number },
): number {
  return crc32c(part, (where.seed ^ where.offset) >>> 0);
}
