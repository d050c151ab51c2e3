/**
 * The client's identity and the numbers of its writes. A node applies a (client, sequence) pair once in each
 * partition, so a write may be sent again whenever its outcome is unknown. The nodes may forget everything
 * below `acknowledgedBelow`, which is the lowest sequence that this client may still send again.
 *
 * Invariant: no sequence below `acknowledgedBelow()` is ever sent again.
 *
 * @module
 */

import type { ClientRequestId } from "../codec/mod.ts";

/** See the module comment. */
export class Session {
  /** Random, 64 bits, not 0. */
  readonly clientId: bigint;
  #nextSequence = 1;
  /** In ascending order, because a set keeps the order of insertion. */
  readonly #open = new Set<number>();

  /** @param clientId 1 to 2^64−1 */
  constructor(clientId: bigint) {
    this.clientId = clientId;
  }

  /** Takes the next sequence; it stays open until `end`. */
  begin(): number {
    const sequence = this.#nextSequence++;
    this.#open.add(sequence);
    return sequence;
  }

  /** Declares that `sequence` will not be sent again. */
  end(sequence: number): void {
    this.#open.delete(sequence);
  }

  /** The lowest open sequence, or the next one when none is open. */
  acknowledgedBelow(): number {
    for (const lowest of this.#open) return lowest;
    return this.#nextSequence;
  }

  /** The request id for sending `sequence` now. */
  requestId(sequence: number): ClientRequestId {
    return { clientId: this.clientId, sequence, acknowledgedBelow: this.acknowledgedBelow() };
  }
}

/**
 * A client id from `random`, which returns numbers in `[0, 1)`. Without it, from the platform's cryptographic
 * source: two clients with one id would take each other's writes for repetitions of their own.
 */
export function randomClientId(random?: () => number): bigint {
  const words = random === undefined
    ? crypto.getRandomValues(new Uint32Array(2))
    : [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)];
  const id = (BigInt(words[0]!) << 32n) | BigInt(words[1]!);
  return id === 0n ? 1n : id;
}
