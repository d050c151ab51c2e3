/**
 * What the commands of one group must do, said as plainly as possible and without a look at the product's
 * state machine: a map, preconditions, and a memory of requests that forgets nothing but what clients allow.
 *
 * @module
 */

import { decodeCommand, type Mutation, type RequestId } from "../../../server/kv/mod.ts";

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

const decoder = new TextDecoder();

/** Keys of the simulated clients are text. */
export function keyText(key: Uint8Array): string {
  return decoder.decode(key);
}

/** See the module comment. */
export class Model {
  readonly #items = new Map<string, ModelItem>();
  readonly #clients = new Map<string, ModelClient>();

  /** The keys that the command at `index` changes. */
  apply(index: number, bytes: Uint8Array): readonly ModelChange[] {
    const { mutations, requestId } = decodeCommand(bytes);
    if (requestId !== undefined && !this.#isNew(requestId)) return [];
    if (!mutations.every((mutation) => this.#mayRun(mutation))) return [];
    return mutations.map((mutation): ModelChange => {
      const key = keyText(mutation.key);
      const item = mutation.kind === "put" ? { value: mutation.value.slice(), version: index } : undefined;
      if (item === undefined) this.#items.delete(key);
      else this.#items.set(key, item);
      return { key, item };
    });
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
    if (precondition === undefined) return true;
    const version = this.#items.get(keyText(key))?.version ?? 0;
    return version === (precondition.kind === "absent" ? 0 : precondition.version);
  }
}
