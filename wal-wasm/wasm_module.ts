/**
 * Instances of the WebAssembly module. One is shared by everything that stages, uses and forgets within a
 * single synchronous call; a recovery, which must keep bytes in the stage between calls, borrows one of its
 * own.
 *
 * @module
 */

import text from "./build/wal.wasm.b64" with { type: "text" };
import { checkLayout, type ModuleExports, STAGE, STAGE_BYTES } from "./layout.ts";

/** An instance and its memory, which never moves or grows. */
export interface WalModule {
  readonly exports: ModuleExports;
  /** All of the memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

const compiled = new WebAssembly.Module(Uint8Array.fromBase64(text));
const shared = instantiate();
const idle: WalModule[] = [];

/** Bytes taken at a time by {@linkcode crc32c}; small enough to stay in the processor's cache. */
const CRC_CHUNK_BYTES = 128 * 1024;

function instantiate(): WalModule {
  const instance = new WebAssembly.Instance(compiled);
  checkLayout(instance.exports);
  // `checkLayout` has proved that the module is the one these types describe.
  const exports = instance.exports as unknown as ModuleExports;
  const buffer = exports.memory.buffer as ArrayBuffer;
  return { exports, bytes: new Uint8Array(buffer), view: new DataView(buffer) };
}

/** The instance for work that ends before it returns to the event loop or calls foreign code. */
export function sharedModule(): WalModule {
  return shared;
}

/** An instance that is the caller's until it is given back. */
export function borrowModule(): WalModule {
  return idle.pop() ?? instantiate();
}

/** Gives back what {@linkcode borrowModule} lent. */
export function returnModule(module: WalModule): void {
  idle.push(module);
}

/**
 * CRC-32C (Castagnoli) of `bytes`, as an unsigned number; `seed` is the CRC of what came before them.
 *
 * ```ts
 * crc32c(new TextEncoder().encode("123456789")); // 0xe3069283
 * ```
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  let crc = seed;
  for (let offset = 0; offset < bytes.length; offset += CRC_CHUNK_BYTES) {
    const chunk = bytes.length <= CRC_CHUNK_BYTES ? bytes : bytes.subarray(offset, offset + CRC_CHUNK_BYTES);
    shared.bytes.set(chunk, STAGE);
    crc = shared.exports.crc32c(STAGE, chunk.length, crc);
  }
  return crc >>> 0;
}

if (CRC_CHUNK_BYTES > STAGE_BYTES) throw new Error("Cannot stage a chunk larger than the stage");
