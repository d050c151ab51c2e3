/**
 * The 64 bytes that `CURRENT` is and that a manifest begins with: a magic text, a checksum, a version, a
 * store's salt and a file number. See `../FORMAT.md`.
 *
 * @module
 */

import { crc32c } from "../../../wal-wasm/mod.ts";
import {
  damaged,
  getU64,
  newerFormat,
  putU64,
  type StorageErrorPlace,
  type StoreSalt,
} from "../table/mod.ts";

/** Size of such a header. */
export const FIXED_HEADER_BYTES = 64;
/** Version of the formats of `CURRENT` and manifests. */
export const MANIFEST_FORMAT_VERSION = 1;

const Field = { crc: 8, version: 12, salt: 16, number: 24, group: 32 } as const;

/** Which of the two it is. */
export type FixedHeaderMagic = "PRKDBCUR" | "PRKDBMAN";

/** What it says. */
export interface FixedHeader {
  readonly salt: StoreSalt;
  /** Of the manifest. */
  readonly number: number;
  /** Zero in `CURRENT`. */
  readonly group: number;
}

/** The 64 bytes. */
export function encodeFixedHeader(magic: FixedHeaderMagic, header: FixedHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FIXED_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint32(Field.version, MANIFEST_FORMAT_VERSION, true);
  view.setUint32(Field.salt, header.salt[0], true);
  view.setUint32(Field.salt + 4, header.salt[1], true);
  putU64(view, Field.number, header.number);
  view.setUint32(Field.group, header.group, true);
  view.setUint32(Field.crc, crc32c(bytes.subarray(Field.version)), true);
  return bytes;
}

/** What is read, and where from. */
export interface FixedHeaderSource extends StorageErrorPlace {
  /** 64 at least, or all that the file has. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the 64 bytes.
 *
 * @throws {StorageError} `STORAGE_NEWER_FORMAT`, or `STORAGE_DAMAGED`
 */
export function decodeFixedHeader(
  magic: FixedHeaderMagic,
  { bytes, ...place }: FixedHeaderSource,
): FixedHeader {
  if (bytes.length < FIXED_HEADER_BYTES) throw damaged(place, "the file is too short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, FIXED_HEADER_BYTES);
  const isSound = new TextEncoder().encode(magic).every((byte, at) => bytes[at] === byte) &&
    crc32c(bytes.subarray(Field.version, FIXED_HEADER_BYTES)) === view.getUint32(Field.crc, true);
  const version = view.getUint32(Field.version, true);
  if (isSound && version > MANIFEST_FORMAT_VERSION) throw newerFormat(place.path, version);
  if (!isSound || version !== MANIFEST_FORMAT_VERSION) {
    throw damaged(place, "its first 64 bytes are not sound");
  }
  return {
    salt: [view.getUint32(Field.salt, true), view.getUint32(Field.salt + 4, true)],
    number: getU64(view, Field.number),
    group: view.getUint32(Field.group, true),
  };
}
