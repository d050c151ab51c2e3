/**
 * The rows of a state machine in a map: what the store of a node does, slowly and plainly.
 *
 * @module
 */

import type { StateChange, StateRow, StateStore } from "../../server/kv/mod.ts";
import { byteString, stringBytes } from "../../server/kv/byte_string.ts";

/** See the module comment. */
export class MemoryStore implements StateStore {
  readonly #rows = new Map<string, StateRow>();

  get rowCount(): number {
    return this.#rows.size;
  }

  get rowBytes(): number {
    return [...this.#rows.values()].reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  }

  get memoryBytes(): number {
    return this.rowBytes;
  }

  get(key: Uint8Array): Pick<StateRow, "value" | "version"> | undefined {
    const row = this.#rows.get(byteString(key));
    return row && { value: row.value, version: row.version };
  }

  write(changes: readonly StateChange[], version: number): void {
    for (const { key, value } of changes) {
      if (value === undefined) this.#rows.delete(byteString(key));
      else this.#rows.set(byteString(key), { key: key.slice(), value: value.slice(), version });
    }
  }

  *rows(prefix: Uint8Array): Generator<StateRow> {
    const names = [...this.#rows.keys()].filter((name) => name.startsWith(byteString(prefix))).sort();
    for (const name of names) {
      const { key, value, version } = this.#rows.get(name)!;
      yield { key: stringBytes(byteString(key)), value: value.slice(), version };
    }
  }
}
