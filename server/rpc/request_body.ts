/**
 * Request bodies, read whole and never beyond `REQUEST_BYTES_MAX`: what is announced larger is refused
 * unread, what announces nothing is counted as it comes, and what is compressed is counted as it unfolds.
 *
 * @module
 */

import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { DomainError, invalidArgument } from "../api/mod.ts";
import { toConnectError } from "./method/mod.ts";

const gunzipBytes = promisify(gunzip) as unknown as (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Uint8Array<ArrayBuffer>>;
const gzipBytes = promisify(gzip) as unknown as (bytes: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>;

/** Bodies up to this size are not counted one by one: a connection can hold no more than one of them. */
const SMALL_BYTES_MAX = 64 * 1024;
/** Bytes of larger bodies that a node reads at a time. */
const UNDER_WAY_BYTES_MAX = 256 * 1024 * 1024;
/** A larger body that takes longer to arrive is given up. */
const BODY_LIMIT_MS = 30_000;

/** Reads the bodies of one node's requests, and bounds what is held of those that are not complete. */
export class BodyReader {
  #underWayBytes = 0;

  /**
   * The body of `request`.
   *
   * @throws {DomainError} `invalidArgument` when it is too large, `overloaded` when too much is under way
   *   already, `cancelled` when the caller breaks off or takes too long
   */
  async read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    const announced = request.headers.get("content-length");
    if (announced !== null && Number(announced) > REQUEST_BYTES_MAX) {
      throw tooLarge(`it has ${announced} bytes`);
    }
    try {
      // The HTTP layer delivers at most as many bytes as were announced.
      if (announced !== null && Number(announced) <= SMALL_BYTES_MAX) return await request.bytes();
      if (request.body === null) return new Uint8Array(0);
      return await this.#readLarge(request.body, Number(announced ?? 0));
    } catch (error) {
      if (error instanceof DomainError) throw error;
      throw new DomainError(
        { kind: "cancelled" },
        "Cannot read the request: its body broke off before its end: send it again",
      );
    }
  }

  /**
   * Counted as announced, beyond that as it comes; all of it is given back when the body is complete or given
   * up.
   */
  async #readLarge(body: ReadableStream<Uint8Array>, announced: number): Promise<Uint8Array<ArrayBuffer>> {
    const reader = body.getReader();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      void reader.cancel().catch(() => {});
    }, BODY_LIMIT_MS);
    const chunks: Uint8Array[] = [];
    let size = 0;
    let counted = 0;
    const count = (bytes: number) => {
      this.#take(bytes - counted);
      counted = bytes;
    };
    try {
      count(announced);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        size += value.length;
        if (size > REQUEST_BYTES_MAX) throw tooLarge("it has more bytes than it may");
        if (size > counted) count(size);
        chunks.push(value);
      }
      if (isLate || size < announced) throw new Error("the body did not arrive whole");
      return join(chunks, size);
    } finally {
      clearTimeout(timer);
      this.#underWayBytes -= counted;
      void reader.cancel().catch(() => {});
    }
  }

  #take(bytes: number): void {
    if (this.#underWayBytes + bytes > UNDER_WAY_BYTES_MAX) {
      throw new DomainError(
        { kind: "overloaded" },
        `Cannot accept the request: too many bytes of requests are arriving (limit ${UNDER_WAY_BYTES_MAX}): ` +
          "try again later",
        "bodies_full",
      );
    }
    this.#underWayBytes += bytes;
  }
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
    if (error instanceof RangeError) throw tooLarge("decompressed it has more bytes than it may");
    throw invalidArgument(
      "Cannot decompress the request: it is not gzip: compress it with gzip or not at all",
    );
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

/** @param found what is too large about it */
function tooLarge(found: string): DomainError {
  return invalidArgument(
    `Cannot accept the request: ${found}, the limit is ${REQUEST_BYTES_MAX} (REQUEST_BYTES_MAX): ` +
      "send several smaller ones",
  );
}
