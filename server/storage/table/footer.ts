/**
 * The end of a table: what it is, and where its parts are. See `../FORMAT.md`, "Footer".
 *
 * @module
 */

import { crc32c } from "../../../wal-wasm/mod.ts";
import {
  decodeIdentity,
  encodeIdentity,
  getU64,
  IDENTITY_BYTES,
  putU64,
  type TableIdentity,
} from "./checksum.ts";
import { damaged, newerFormat, type StorageErrorPlace } from "./error.ts";

/** Size of a footer. */
export const FOOTER_BYTES = 128;
/** Version of the format of tables. */
export const TABLE_FORMAT_VERSION = 1;

const MAGIC = new TextEncoder().encode("PRKDBTBL");
const Field = {
  crc: 8,
  version: 12,
  identity: 16,
  group: 32,
  indexBytes: 36,
  filterOffset: 40,
  filterBytes: 48,
  blocks: 52,
  entries: 56,
  tombstones: 64,
  lowestVersion: 72,
  highestVersion: 80,
  keyBytes: 88,
  valueBytes: 96,
  appliedIndex: 104,
  term: 112,
} as const;
const U32_FIELDS = ["group", "indexBytes", "filterBytes", "blocks"] as const;
const U64_FIELDS = [
  "filterOffset",
  "entries",
  "tombstones",
  "lowestVersion",
  "highestVersion",
  "keyBytes",
  "valueBytes",
  "appliedIndex",
  "term",
] as const;

/** What a table says of itself; the fields of the format document. Lengths include checksums. */
export type TableFooter =
  & { readonly identity: TableIdentity }
  & Readonly<Record<(typeof U32_FIELDS)[number] | (typeof U64_FIELDS)[number], number>>;

/** The bytes of a footer. */
export function encodeFooter(footer: TableFooter): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(Field.version, TABLE_FORMAT_VERSION, true);
  bytes.set(encodeIdentity(footer.identity), Field.identity);
  for (const name of U32_FIELDS) view.setUint32(Field[name], footer[name], true);
  for (const name of U64_FIELDS) putU64(view, Field[name], footer[name]);
  view.setUint32(Field.crc, crc32c(bytes.subarray(Field.version)), true);
  return bytes;
}

/**
 * Reads a footer.
 *
 * @param bytes {@linkcode FOOTER_BYTES} of them
 * @param place where they are from
 * @throws {StorageError} `STORAGE_NEWER_FORMAT`, or `STORAGE_DAMAGED` when they are no footer
 */
export function decodeFooter(bytes: Uint8Array, place: StorageErrorPlace): TableFooter {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FOOTER_BYTES);
  if (!MAGIC.every((byte, at) => bytes[at] === byte)) throw damaged(place, "no table ends here");
  const isSound = crc32c(bytes.subarray(Field.version)) === view.getUint32(Field.crc, true);
  const version = view.getUint32(Field.version, true);
  if (isSound && version > TABLE_FORMAT_VERSION) throw newerFormat(place.path, version);
  if (!isSound || version !== TABLE_FORMAT_VERSION) {
    throw damaged(place, "the checksum of the table's footer is wrong");
  }
  const identity = decodeIdentity(bytes.subarray(Field.identity, Field.identity + IDENTITY_BYTES));
  const small = U32_FIELDS.map((name) => [name, view.getUint32(Field[name], true)] as const);
  const large = U64_FIELDS.map((name) => [name, getU64(view, Field[name])] as const);
  return { identity, ...Object.fromEntries([...small, ...large]) } as TableFooter;
}
