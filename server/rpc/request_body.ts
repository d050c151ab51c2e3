/**
 * Request bodies, read whole and never beyond `REQUEST_BYTES_MAX`: what is announced larger is refused unread, what
 * announces nothing is counted as it comes, and what is compressed is counted as it unfolds.
 *
 * @module
 */

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { DomainError, invalidArgument } from "../error.ts";
import { toConnectError } from "./connect_error.ts";

const gunzipBytes = promisify(gunzip) as unknown as (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Uint8Array<ArrayBuffer>>;
const gzipBytes = promisify(gzip) as unknown as (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>;

/**
 * The body of `request`.
 *
 * @throws {DomainError} `invalidArgument` when it is too large, `cancelled` when the caller breaks off
 */
export async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > REQUEST_BYTES_MAX) throw tooLarge(`${announced} bytes`);
  try {
    // The HTTP layer delivers at most as many bytes as were announced.
    if (announced !== null) return await request.bytes();
    return request.body === null ? new Uint8Array(0) : await readCounted(request.body);
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError({ kind: "cancelled" }, "Cannot read the request: its body broke off");
  }
}

async function readCounted(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop early cancels the stream.
  for await (const chunk of body) {
    size += chunk.length;
    if (size > REQUEST_BYTES_MAX) throw tooLarge("more");
    chunks.push(chunk);
  }
  return join(chunks, size);
}

function join(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * What `bytes` unfold to.
 *
 * @throws {DomainError} `invalidArgument` when that is too large, or `bytes` are not gzip
 */
export async function decompress(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length === 0) return new Uint8Array(0);
  try {
    return new Uint8Array(await gunzipBytes(bytes, { maxOutputLength: REQUEST_BYTES_MAX }));
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge("more, decompressed");
    throw invalidArgument("Cannot decompress the request: it is not gzip");
  }
}

/** gzip, as the Connect router wants it. */
export const GZIP: Compression = {
  name: "gzip",
  compress: async (bytes) => new Uint8Array(await gzipBytes(bytes)),
  decompress: async (bytes) => {
    try {
      return await decompress(bytes);
    } catch (error) {
      throw toConnectError(error);
    }
  },
};

function tooLarge(found: string): DomainError {
  return invalidArgument(
    `Cannot accept the request: REQUEST_BYTES_MAX allows ${REQUEST_BYTES_MAX} bytes, it has ${found}`,
  );
}
