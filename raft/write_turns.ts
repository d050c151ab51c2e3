/**
 * Who writes now, where all replicas together have more than one write should take. A write is synced as a
 * whole, so whoever has little would wait for those who have much:
 *
 * ```
 * has waited longest  │ always, so that nobody waits for ever
 * little before much  │ while all of them together stay within the bound
 * the others          │ with the next write
 * ```
 *
 * @module
 */

import type { Replica } from "./replica.ts";

/** See the module comment. */
export class WriteTurns {
  readonly #bytesMax: number;
  /** Those that wait for the next write, by how long they have. */
  #left: readonly Replica[] = [];

  /** @param bytesMax of entries in one write; what one replica has is written together all the same */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Those of `replicas`, all that have something to write, that are to wait for the next write. */
  leave(replicas: readonly Replica[]): readonly Replica[] {
    if (bytesOf(replicas) <= this.#bytesMax) return this.#left = [];
    const earlier = this.#left.filter((replica) => replicas.includes(replica));
    const [oldest] = earlier;
    const order = replicas.toSorted((a, b) =>
      Number(b === oldest) - Number(a === oldest) || a.unwrittenBytes - b.unwrittenBytes || a.group - b.group
    );
    let bytes = 0;
    const taken = new Set(order.filter((replica, position) => {
      bytes += replica.unwrittenBytes;
      return position === 0 || bytes <= this.#bytesMax;
    }));
    const later = new Set([...earlier, ...order].filter((replica) => !taken.has(replica)));
    return this.#left = [...later];
  }
}

/** Bytes that `replicas` have to write. */
export function bytesOf(replicas: readonly Replica[]): number {
  let bytes = 0;
  for (let position = 0; position < replicas.length; position++) bytes += replicas[position]!.unwrittenBytes;
  return bytes;
}
