/**
 * What the commands of one group must do, said as plainly as possible and without a look at the product's
 * state machine: a map, preconditions, numbers, times at which keys expire, and a memory of requests that
 * forgets nothing but what clients allow.
 *
 * @module
 */

import { decodeCommand, type Mutation, type Precondition, type RequestId } from "../../../server/kv/mod.ts";

/** What a key holds. */
export interface ModelItem {
  readonly value: Uint8Array;
  readonly version: number;
  /** Replicated time from which on it is not there; `Infinity` for never. */
  readonly expiresAtMs: number;
}

/** A key after a command that changed it; `undefined` for no such key. */
export interface ModelChange {
  readonly key: string;
  readonly item: ModelItem | undefined;
}

interface ModelClient {
  readonly seen: Set<number>;
  below: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** As an increment writes it. */
const NUMBER = /^(0|-?[1-9]\d{0,18})$/;

/** Keys of the simulated clients are text. */
export function keyText(key: Uint8Array): string {
  return decoder.decode(key);
}

/** See the module comment. */
export class Model {
  #items = new Map<string, ModelItem>();
  readonly #clients = new Map<string, ModelClient>();
  #timeMs = 0;
  /** Keys that were removed because their time had come. */
  removals = 0;

  /** The keys that the command at `index` changes. */
  apply(index: number, bytes: Uint8Array): readonly ModelChange[] {
    const { mutations, requestId, timeMs } = decodeCommand(bytes);
    this.#timeMs = Math.max(this.#timeMs, timeMs);
    if (requestId !== undefined && !this.#isNew(requestId)) return [];
    if (!mutations.every((mutation) => this.#mayRun(mutation))) return [];
    const before = new Map(this.#items);
    const changes: ModelChange[] = [];
    for (const mutation of mutations) {
      if (mutation.kind === "expire") {
        changes.push(...this.#expire(keyText(mutation.key)));
        continue;
      }
      const value = this.#valueAfter(mutation);
      if (value === "impossible") {
        this.#items = before;
        return [];
      }
      const key = keyText(mutation.key);
      const item = value && { value, version: index, expiresAtMs: this.#expiryAfter(mutation) };
      if (item === undefined) this.#items.delete(key);
      else this.#items.set(key, item);
      changes.push({ key, item });
    }
    return changes;
  }

  /** The highest time that any command has carried. */
  get timeMs(): number {
    return this.#timeMs;
  }

  #isNew({ clientId, sequence, acknowledgedBelow }: RequestId): boolean {
    const client = this.#clients.get(clientId) ?? { seen: new Set<number>(), below: 0 };
    this.#clients.set(clientId, client);
    if (client.seen.has(sequence) || sequence < client.below) return false;
    client.seen.add(sequence);
    client.below = Math.max(client.below, acknowledgedBelow);
    return true;
  }

  #mayRun({ key, precondition }: Mutation): boolean {
    return precondition === undefined || holds(precondition, this.#held(key)?.version ?? 0);
  }

  #held(key: Uint8Array): ModelItem | undefined {
    const item = this.#items.get(keyText(key));
    return item === undefined || item.expiresAtMs <= this.#timeMs ? undefined : item;
  }

  /** Nothing unless the time of the key has come. */
  #expire(key: string): readonly ModelChange[] {
    const item = this.#items.get(key);
    if (item === undefined || item.expiresAtMs > this.#timeMs) return [];
    this.#items.delete(key);
    this.removals++;
    return [{ key, item: undefined }];
  }

  #expiryAfter(mutation: Exclude<Mutation, { readonly kind: "expire" }>): number {
    if (mutation.kind === "delete") return Infinity;
    if (mutation.ttlMs > 0) return this.#timeMs + mutation.ttlMs;
    return mutation.kind === "put" ? Infinity : this.#held(mutation.key)?.expiresAtMs ?? Infinity;
  }

  /** What the key of `mutation` holds after it; `undefined` for no such key. */
  #valueAfter(
    mutation: Exclude<Mutation, { readonly kind: "expire" }>,
  ): Uint8Array | "impossible" | undefined {
    if (mutation.kind === "put") return mutation.value.slice();
    if (mutation.kind === "delete") return undefined;
    const held = this.#held(mutation.key)?.value;
    const text = held === undefined ? "0" : decoder.decode(held);
    if (!NUMBER.test(text)) return "impossible";
    const sum = BigInt(text) + BigInt(mutation.by);
    return sum === BigInt.asIntN(64, sum) ? encoder.encode(String(sum)) : "impossible";
  }
}

function holds(precondition: Precondition, version: number): boolean {
  if (precondition.kind === "exists") return version > 0;
  return version === (precondition.kind === "absent" ? 0 : precondition.version);
}
