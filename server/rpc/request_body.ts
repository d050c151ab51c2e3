/**
 * Request bodies, read whole and never beyond `REQUEST_BYTES_MAX`: what is announced larger is refused
 * unread, what announces nothing is counted as it comes, and what is compressed is counted as it unfolds.
 *
 * @module
 */

import type { Compression } from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import { DomainError } from "../api/mod.ts";
import { type ByteBudget, joinChunks } from "../http/mod.ts";
import { bodyRefused, compress, decompress, toConnectError } from "./method/mod.ts";

/** Bodies up to this size are read in one go. */
const SMALL_BYTES_MAX = 64 * 1024;
/** A body that takes longer to arrive is given up. */
const BODY_LIMIT_MS = 30_000;

/** Reads the bodies of requests of the web; what is held of them until they are complete has room taken. */
export class BodyReader {
  readonly #bodies: ByteBudget;

  constructor(bodies: ByteBudget) {
    this.#bodies = bodies;
  }

  /**
   * The body of `request`.
   *
   * @throws {DomainError} `invalidArgument` when it is too large, `overloaded` when too much is under way
   *   already, `cancelled` when the caller breaks off or takes too long
   */
  async read(request: Request): Promise<Uint8Array<ArrayBuffer>> {
    const { body, headers } = request;
    const announced = headers.get("content-length");
    const announcedBytes = Number(announced ?? 0);
    if (announcedBytes > REQUEST_BYTES_MAX) throw bodyRefused("tooLarge", announced);
    if (body === null) return new Uint8Array(0);
    try {
      // The HTTP layer delivers at most as many bytes as were announced.
      if (announced !== null && announcedBytes <= SMALL_BYTES_MAX) {
        return await this.#readSmall(request, announcedBytes);
      }
      return await this.#readLarge(body, announcedBytes);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      throw bodyRefused("brokenOff");
    }
  }

  async #readSmall(request: Request, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#take(bytes);
    try {
      return await request.bytes();
    } finally {
      this.#bodies.release(bytes);
    }
  }

  /** Counted as it comes; all of it is given back when the body is complete or given up. */
  async #readLarge(body: ReadableStream<Uint8Array>, announced: number): Promise<Uint8Array<ArrayBuffer>> {
    const reader = body.getReader();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      void reader.cancel().catch(() => {});
    }, BODY_LIMIT_MS);
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        if (size + value.length > REQUEST_BYTES_MAX) throw bodyRefused("tooLarge");
        this.#take(value.length);
        size += value.length;
        chunks.push(value);
      }
      if (isLate || size < announced) throw new Error("the body did not arrive whole");
      return joinChunks(chunks, size);
    } finally {
      clearTimeout(timer);
      this.#bodies.release(size);
      void reader.cancel().catch(() => {});
    }
  }

  #take(bytes: number): void {
    if (!this.#bodies.take(bytes)) throw bodyRefused("noRoom");
  }
}

/** gzip, as the Connect router wants it. */
export const GZIP: Compression = {
  name: "gzip",
  compress: async (bytes) => await compress(bytes),
  decompress: async (bytes) => {
    try {
      return await decompress(bytes);
    } catch (error) {
      throw toConnectError(error);
    }
  },
};
