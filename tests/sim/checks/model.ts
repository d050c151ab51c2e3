/**
 * What the commands of one group must do, said as plainly as possible and without a look at the product's
 * state machine: a map, preconditions, numbers, and a memory of requests that forgets nothing but what
 * clients allow.
 *
 * @module
 */

import { decodeCommand, type Mutation, type Precondition, type RequestId } from "../../../server/kv/mod.ts";

/** What a key holds. */
export interface ModelItem {
  readonly value: Uint8Array;
  readonly version: number;
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

  /** The keys that the command at `index` changes. */
  apply(index: number, bytes: Uint8Array): readonly ModelChange[] {
    const { mutations, requestId } = decodeCommand(bytes);
    if (requestId !== undefined && !this.#isNew(requestId)) return [];
    if (!mutations.every((mutation) => this.#mayRun(mutation))) return [];
    const before = new Map(this.#items);
    const changes: ModelChange[] = [];
    for (const mutation of mutations) {
      const value = this.#valueAfter(mutation);
      if (value === "impossible") {
        this.#items = before;
        return [];
      }
      const key = keyText(mutation.key);
      const item = value && { value, version: index };
      if (item === undefined) this.#items.delete(key);
      else this.#items.set(key, item);
      changes.push({ key, item });
    }
    return changes;
  }

  /** What every key holds at the end. */
  get items(): ReadonlyMap<string, ModelItem> {
    return this.#items;
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
    return precondition === undefined || holds(precondition, this.#items.get(keyText(key))?.version ?? 0);
  }

  /** What the key of `mutation` holds after it; `undefined` for no such key. */
  #valueAfter(mutation: Mutation): Uint8Array | "impossible" | undefined {
    if (mutation.kind === "put") return mutation.value.slice();
    if (mutation.kind === "delete") return undefined;
    if (mutation.kind === "expire") throw new Error("Cannot remove a key as expired: no key has a time yet");
    const held = this.#items.get(keyText(mutation.key))?.value;
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
