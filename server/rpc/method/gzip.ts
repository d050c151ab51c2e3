/**
 * gzip within the limits of the contract: what unfolds is bounded while it unfolds, so that a small request
 * cannot take much memory. Runs on threads of the runtime, not on that of the node.
 *
 * @module
 */

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { REQUEST_BYTES_MAX } from "../../../proto/mod.ts";
import { DomainError, invalidArgument } from "../../api/mod.ts";
import type { ByteBudget } from "../../http/mod.ts";

const gunzipBytes = promisify(gunzip) as unknown as (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Uint8Array<ArrayBuffer>>;
const gzipBytes = promisify(gzip) as unknown as (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>;

/** Header and end of a member of gzip. */
const MEMBER_BYTES_MIN = 18;
/** Length of the field at the end of a member that tells its size. */
const ISIZE_BYTES = 4;

/** `bytes`, as gzip. */
export async function compress(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await gzipBytes(bytes));
}

/**
 * Bytes that `bytes` will unfold to, as their last four say (RFC 1952, section 2.3.1: ISIZE); 0 if they do
 * not begin as gzip does, and too few if they are more than one member of it.
 */
export function unfoldedBytes(bytes: Uint8Array): number {
  if (bytes.length < MEMBER_BYTES_MIN || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return 0;
  const end = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - ISIZE_BYTES, ISIZE_BYTES);
  return end.getUint32(0, true);
}

/**
 * What `bytes` unfold to, never more than their end names.
 *
 * @throws {DomainError} `invalidArgument` when that is too large, or `bytes` are not one member of gzip
 */
export async function decompress(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length === 0) return new Uint8Array(0);
  const size = unfoldedSize(bytes);
  try {
    // The library wants room for one byte at least.
    const { buffer, byteOffset, length } = await gunzipBytes(bytes, { maxOutputLength: Math.max(size, 1) });
    return new Uint8Array(buffer, byteOffset, length);
  } catch (error) {
    if (!(error instanceof RangeError)) throw notGzip("it is not gzip");
    throw notGzip(`it has more than the ${size} bytes that its end names`);
  }
}

/** @throws {DomainError} `invalidArgument` when `bytes` unfold to more than a request may have */
function unfoldedSize(bytes: Uint8Array): number {
  const size = unfoldedBytes(bytes);
  if (size > REQUEST_BYTES_MAX) throw requestTooLarge("decompressed it has more bytes than it may");
  return size;
}

/**
 * Hands what `bytes` unfold to to `use`; room for it is held until that has ended.
 *
 * @throws {DomainError} `invalidArgument` for what is not gzip or too large, `overloaded` when there is no
 *   room; and what `use` throws
 */
export async function withUnfolded<Result>(
  bytes: Uint8Array,
  room: ByteBudget,
  use: (unfolded: Uint8Array) => Promise<Result>,
): Promise<Result> {
  return await withRoomToUnfold(bytes, room, async () => await use(await decompress(bytes)));
}

/**
 * Has `use` unfold `bytes` while room for that is held.
 *
 * @throws {DomainError} `invalidArgument` when they unfold to too much, `overloaded` when there is no room
 */
export async function withRoomToUnfold<Result>(
  bytes: Uint8Array,
  room: ByteBudget,
  use: () => Promise<Result>,
): Promise<Result> {
  const size = unfoldedSize(bytes);
  takeRoom(room, size);
  try {
    return await use();
  } finally {
    room.release(size);
  }
}

/**
 * Takes room for `bytes` of a request.
 *
 * @throws {DomainError} `overloaded` when there is none
 */
export function takeRoom(room: ByteBudget, bytes: number): void {
  if (room.take(bytes)) return;
  throw new DomainError(
    { kind: "overloaded" },
    `Cannot accept the request: there is no room for ${bytes} bytes beside the requests that are arriving: ` +
      "try again later",
    "bodies_full",
  );
}

function notGzip(why: string): DomainError {
  return invalidArgument(`Cannot decompress the request: ${why}: compress it with gzip or not at all`);
}

/** @param found what is too large about it */
export function requestTooLarge(found: string): DomainError {
  return invalidArgument(
    `Cannot accept the request: ${found}, the limit is ${REQUEST_BYTES_MAX} (REQUEST_BYTES_MAX): ` +
      "send several smaller ones",
  );
}
