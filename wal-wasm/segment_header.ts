/**
 * The first page of a segment: the node and the log it is of, its number, and what came before it. See
 * `FORMAT.md`, "Segment".
 *
 * @module
 */

import { FORMAT_VERSION, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_COPY_BYTES, SEGMENT_MAGIC } from "./layout.ts";
import { crc32c } from "./wasm_module.ts";

/** What a segment says of itself. Numbers are safe integers. */
export interface SegmentHeader {
  /** 1 for a log's first segment. */
  readonly id: number;
  /** Size of the file. */
  readonly segmentBytes: number;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly nodeId: number;
  /** Two random words of the log, the same in all its segments, which only its own files know. */
  readonly salt: readonly [number, number];
  /** Sequence of the first frame. */
  readonly firstSequence: number;
  /** The oldest segment that was needed when this one was begun. */
  readonly oldest: number;
  /** The segment before, where its frames end, and the CRC of the last one; 0 when there was none. */
  readonly previousId: number;
  readonly previousEnd: number;
  readonly previousCrc: number;
}

/** Where the CRCs of a segment's frames start from. */
export interface SegmentSeeds {
  readonly header: number;
  readonly body: number;
}

/** What a header page turns out to be. */
export type HeaderVerdict =
  /** Zeros: prepared, never begun. */
  | { readonly kind: "blank" }
  /** Neither copy is sound. */
  | { readonly kind: "damaged" }
  /** `intact` is false when one of the copies is not sound. */
  | { readonly kind: "valid"; readonly header: SegmentHeader; readonly intact: boolean };

const Field = {
  magic: 0,
  crc: 8,
  version: 12,
  id: 16,
  segmentBytes: 24,
  clusterId: 32,
  nodeId: 48,
  previousCrc: 52,
  salt: 56,
  firstSequence: 64,
  oldest: 72,
  previousId: 80,
  previousEnd: 88,
} as const;

/** CRCs cover a copy from here to its end. */
const CRC_FROM = 12;

/** The page for `header`: two equal copies. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const page = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(page.buffer);
  page.set(SEGMENT_MAGIC, Field.magic);
  view.setUint32(Field.version, FORMAT_VERSION, true);
  page.set(Uint8Array.fromHex(header.clusterId), Field.clusterId);
  view.setUint32(Field.nodeId, header.nodeId, true);
  view.setUint32(Field.previousCrc, header.previousCrc, true);
  view.setUint32(Field.salt, header.salt[0], true);
  view.setUint32(Field.salt + 4, header.salt[1], true);
  for (
    const field of ["id", "segmentBytes", "firstSequence", "oldest", "previousId", "previousEnd"] as const
  ) {
    view.setBigUint64(Field[field], BigInt(header[field]), true);
  }
  view.setUint32(Field.crc, crc32c(page.subarray(CRC_FROM, SEGMENT_HEADER_COPY_BYTES)), true);
  page.copyWithin(SEGMENT_HEADER_COPY_BYTES, 0, SEGMENT_HEADER_COPY_BYTES);
  return page;
}

/** Judges a header page. */
export function decodeSegmentHeader(page: Uint8Array): HeaderVerdict {
  if (page.every((byte) => byte === 0)) return { kind: "blank" };
  const first = decodeCopy(page.subarray(0, SEGMENT_HEADER_COPY_BYTES));
  const second = decodeCopy(page.subarray(SEGMENT_HEADER_COPY_BYTES, SEGMENT_HEADER_BYTES));
  const header = first ?? second;
  if (header === undefined) return { kind: "damaged" };
  return { kind: "valid", header, intact: first !== undefined && second !== undefined };
}

function decodeCopy(copy: Uint8Array): SegmentHeader | undefined {
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  if (copy.length !== SEGMENT_HEADER_COPY_BYTES) return undefined;
  if (SEGMENT_MAGIC.some((byte, index) => copy[index] !== byte)) return undefined;
  if (view.getUint32(Field.crc, true) !== crc32c(copy.subarray(CRC_FROM))) return undefined;
  if (view.getUint32(Field.version, true) !== FORMAT_VERSION) return undefined;
  const number = (field: number) => Number(view.getBigUint64(field, true));
  return {
    id: number(Field.id),
    segmentBytes: number(Field.segmentBytes),
    clusterId: copy.slice(Field.clusterId, Field.clusterId + 16).toHex(),
    nodeId: view.getUint32(Field.nodeId, true),
    salt: [view.getUint32(Field.salt, true), view.getUint32(Field.salt + 4, true)],
    firstSequence: number(Field.firstSequence),
    oldest: number(Field.oldest),
    previousId: number(Field.previousId),
    previousEnd: number(Field.previousEnd),
    previousCrc: view.getUint32(Field.previousCrc, true),
  };
}

/** A log's name: its salt as 16 hexadecimal digits. */
export function logIdOf(salt: readonly [number, number]): string {
  return salt.map((word) => word.toString(16).padStart(8, "0")).join("");
}

/** The seeds of segment `id` in the log with this salt: the CRC of both, so that other bytes never pass. */
export function segmentSeeds(id: number, salt: readonly [number, number]): SegmentSeeds {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(id), true);
  view.setUint32(8, salt[0], true);
  const header = crc32c(bytes);
  view.setUint32(8, salt[1], true);
  return { header, body: crc32c(bytes) };
}

/** Width of a segment's number in its name. */
const NAME_DIGITS = 16;

/** File name of segment `id`. */
export function segmentName(id: number): string {
  return `${String(id).padStart(NAME_DIGITS, "0")}.wal`;
}

/** Inverse of {@linkcode segmentName}; `undefined` for any other name. */
export function parseSegmentName(name: string): number | undefined {
  if (!/^\d{16}\.wal$/.test(name)) return undefined;
  const id = Number(name.slice(0, NAME_DIGITS));
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
