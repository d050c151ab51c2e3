/**
 * Frames of a manifest: how they are made, read, and looked for behind a place that is not as it was. See
 * `../FORMAT.md`, "Manifest".
 *
 * @module
 */

import { checksumAt, getU64, putU64 } from "../table/mod.ts";

/** Size of a frame's header. */
export const MANIFEST_FRAME_HEADER_BYTES = 32;
/** Frames begin and end at multiples of this. */
export const MANIFEST_FRAME_ALIGNMENT = 8;
/** No edit is longer. */
export const EDIT_BYTES_MAX = 64 * 1024 * 1024;

/** What a frame is. */
export const FrameKind = { edit: 1, seal: 2 } as const;

const Field = { headerCrc: 0, bodyCrc: 4, bodyBytes: 8, kind: 12, sequence: 16 } as const;

/** What a frame says. */
export interface ManifestFrame {
  /** One of {@linkcode FrameKind}, or what a later version has added. */
  readonly kind: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** Where in which file a frame is. */
export interface FramePlace {
  /** What the file's checksums start from. */
  readonly seed: number;
  readonly offset: number;
}

/** A frame that was read, and where the next one is. */
export interface ReadFrame extends ManifestFrame {
  readonly end: number;
}

/** The bytes of a frame for this place. */
export function encodeManifestFrame(
  { kind, sequence, body }: ManifestFrame,
  place: FramePlace,
): Uint8Array<ArrayBuffer> {
  if (body.length > EDIT_BYTES_MAX) throw new RangeError(`Cannot write an edit of ${body.length} bytes`);
  const bytes = new Uint8Array(frameBytes(body.length));
  const view = new DataView(bytes.buffer);
  bytes.set(body, MANIFEST_FRAME_HEADER_BYTES);
  view.setUint32(Field.bodyBytes, body.length, true);
  view.setUint8(Field.kind, kind);
  putU64(view, Field.sequence, sequence);
  view.setUint32(Field.bodyCrc, checksumAt(bytes.subarray(MANIFEST_FRAME_HEADER_BYTES), place), true);
  const header = bytes.subarray(Field.bodyCrc, MANIFEST_FRAME_HEADER_BYTES);
  view.setUint32(Field.headerCrc, checksumAt(header, place), true);
  return bytes;
}

/** The frame at a place of a manifest, `undefined` unless every byte of it is as it was written. */
export function readManifestFrame(manifest: Uint8Array, place: FramePlace): ReadFrame | undefined {
  const { offset } = place;
  if (!isFrameHeader(manifest, place)) return undefined;
  const view = new DataView(manifest.buffer, manifest.byteOffset + offset, MANIFEST_FRAME_HEADER_BYTES);
  const bodyBytes = view.getUint32(Field.bodyBytes, true);
  const end = offset + frameBytes(bodyBytes);
  const bodyAt = offset + MANIFEST_FRAME_HEADER_BYTES;
  if (bodyBytes > EDIT_BYTES_MAX || end > manifest.length) return undefined;
  const padded = manifest.subarray(bodyAt, end);
  if (checksumAt(padded, place) !== view.getUint32(Field.bodyCrc, true)) return undefined;
  const body = padded.subarray(0, bodyBytes);
  return { kind: view.getUint8(Field.kind), sequence: getU64(view, Field.sequence), body, end };
}

/** The sequence in a sound frame header, whatever has become of the body. */
export function readFrameSequence(manifest: Uint8Array, place: FramePlace): number | undefined {
  if (!isFrameHeader(manifest, place)) return undefined;
  const view = new DataView(manifest.buffer, manifest.byteOffset + place.offset, MANIFEST_FRAME_HEADER_BYTES);
  return getU64(view, Field.sequence);
}

/** Whether a sound frame header is anywhere behind a place. */
export function hasFrameBehind(manifest: Uint8Array, { seed, offset }: FramePlace): boolean {
  const last = manifest.length - MANIFEST_FRAME_HEADER_BYTES;
  for (let at = offset + MANIFEST_FRAME_ALIGNMENT; at <= last; at += MANIFEST_FRAME_ALIGNMENT) {
    if (isFrameHeader(manifest, { seed, offset: at })) return true;
  }
  return false;
}

function isFrameHeader(manifest: Uint8Array, place: FramePlace): boolean {
  const { offset } = place;
  if (offset + MANIFEST_FRAME_HEADER_BYTES > manifest.length) return false;
  const view = new DataView(manifest.buffer, manifest.byteOffset + offset, MANIFEST_FRAME_HEADER_BYTES);
  const header = manifest.subarray(offset + Field.bodyCrc, offset + MANIFEST_FRAME_HEADER_BYTES);
  return view.getUint32(Field.headerCrc, true) === checksumAt(header, place);
}

function frameBytes(bodyBytes: number): number {
  const padded = Math.ceil(bodyBytes / MANIFEST_FRAME_ALIGNMENT) * MANIFEST_FRAME_ALIGNMENT;
  return MANIFEST_FRAME_HEADER_BYTES + padded;
}
