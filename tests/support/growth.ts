/**
 * Whether something grows that is done again and again: what the program holds after each tenth of the
 * rounds, once rubbish is collected.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const MEBIBYTE = 1024 * 1024;
const LOOKS = 10;
/** What looks may differ by for reasons of the runtime: compiled code, caches. */
const NOISE_BYTES = 4 * MEBIBYTE;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Bytes that the program holds, once rubbish is collected. */
export function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** See the module comment. */
export class Growth {
  readonly #everyRounds: number;
  readonly #heldBytes: number[] = [];
  #rounds = 0;

  /** @param rounds how often {@linkcode note} will be called */
  constructor(rounds: number) {
    this.#everyRounds = Math.max(1, Math.floor(rounds / LOOKS));
  }

  /** A round is over. */
  note(): void {
    if (++this.#rounds % this.#everyRounds !== 0) return;
    this.#heldBytes.push(heldBytes());
  }

  /**
   * Asserts that no more is held at the end than near the beginning.
   *
   * @returns what was held then and then, in words
   * @throws {Error} when more is held
   */
  check(): string {
    if (this.#heldBytes.length < LOOKS) throw new Error(`only ${this.#heldBytes.length} looks were taken`);
    // The first tenth still compiles and fills caches.
    const begin = this.#heldBytes[1]!;
    const end = this.#heldBytes.at(-1)!;
    const told = `held ${mebibytes(begin)} MiB after a fifth, ${mebibytes(end)} MiB at the end`;
    if (end > begin + NOISE_BYTES) throw new Error(`Memory grows: ${told}`);
    return told;
  }
}

function mebibytes(bytes: number): string {
  return (bytes / MEBIBYTE).toFixed(1);
}
