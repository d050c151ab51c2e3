/**
 * Writers that never stop while nodes die under them, and the proof afterwards: every write that was
 * acknowledged is read back, linearizably, from every node, with its value and with the version it was
 * acknowledged at. A write that took effect twice under retries would have been read back with a later
 * version.
 *
 * Each writer waits for its answer before it writes the next key, and no key is written twice, so that an
 * answer and a key belong together.
 *
 * @module
 */

import { createClient } from "@connectrpc/connect";
import { PrkDbClient } from "../../../client/mod.ts";
import { createPrkDbTransport } from "../../../client/transport/connect_transport.ts";
import { KvService } from "../../../proto/mod.ts";
import { PATIENCE_MS } from "../patience.ts";

const KEYS_PER_READ = 500;

/** One write of the load: `number` counts those of its writer. */
export interface LoadWrite {
  readonly writer: number;
  readonly number: number;
}

/** How to write. */
export interface WriteLoadOptions {
  /** Nodes known at the start. */
  readonly addresses: readonly string[];
  readonly writers: number;
  /** The key of a writer's write; `load-WRITER-NUMBER` unless given. Must be different for each. */
  readonly keyOf?: (write: LoadWrite) => string;
  /** Deadline of one write with all its retries; as long as a test waits for anything unless given. */
  readonly timeoutMs?: number;
}

/** What a write was acknowledged with. */
export interface Acknowledgement {
  readonly value: string;
  readonly version: number;
}

/** See the module comment. */
export class WriteLoad {
  readonly #client: PrkDbClient;
  readonly #options: WriteLoadOptions;
  readonly #acknowledged = new Map<string, Acknowledgement>();
  readonly #failures: string[] = [];
  readonly #lastMs: number[];
  readonly #writesByWriter: number[];
  readonly #done: Promise<void>;
  #longestGapMs = 0;
  #isStopping = false;

  private constructor(client: PrkDbClient, options: WriteLoadOptions) {
    this.#client = client;
    this.#options = options;
    const writers = Array.from({ length: options.writers }, (_, writer) => writer);
    this.#lastMs = writers.map(() => performance.now());
    this.#writesByWriter = writers.map(() => 0);
    this.#done = Promise.all(writers.map((writer) => this.#write(writer))).then(() => {});
  }

  /** Connects and begins to write. */
  static async start(options: WriteLoadOptions): Promise<WriteLoad> {
    const client = await PrkDbClient.connect(options.addresses, {
      timeoutMs: options.timeoutMs ?? PATIENCE_MS,
    });
    return new WriteLoad(client, options);
  }

  /** Everything acknowledged so far. */
  get acknowledged(): ReadonlyMap<string, Acknowledgement> {
    return this.#acknowledged;
  }

  /** Writes acknowledged so far, by writer. */
  get writesByWriter(): readonly number[] {
    return this.#writesByWriter;
  }

  /** Writes that ended in an error, each in words; whether they took effect is not known. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /**
   * The longest any writer has waited from one acknowledgement to the next since the last call, in
   * milliseconds.
   */
  takeLongestGapMs(): number {
    const nowMs = performance.now();
    const longestMs = Math.max(this.#longestGapMs, ...this.#lastMs.map((lastMs) => nowMs - lastMs));
    this.#longestGapMs = 0;
    this.#lastMs.fill(nowMs);
    return longestMs;
  }

  /** Resolves when every writer has had its last answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    await this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #write(writer: number): Promise<void> {
    const keyOf = this.#options.keyOf ?? (({ writer, number }) => `load-${writer}-${number}`);
    for (let number = 0; !this.#isStopping; number++) {
      const key = keyOf({ writer, number });
      const value = `value of ${key}`;
      try {
        const { version } = await this.#client.put(key, value);
        this.#acknowledged.set(key, { value, version });
        this.#noteProgress(writer);
      } catch (error) {
        this.#failures.push(`put ${key}: ${String(error)}`);
      }
    }
  }

  #noteProgress(writer: number): void {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastMs[writer]!);
    this.#lastMs[writer] = nowMs;
    this.#writesByWriter[writer]!++;
  }
}

/**
 * What the node at `address` does not give back as it was acknowledged, in words; empty if all is there.
 *
 * @throws {ConnectError} when the node does not answer a read
 */
export async function missingAt(
  address: string,
  acknowledged: ReadonlyMap<string, Acknowledgement>,
): Promise<string[]> {
  const client = createClient(KvService, createPrkDbTransport({ baseUrl: address }));
  const all = [...acknowledged];
  const missing: string[] = [];
  for (let at = 0; at < all.length; at += KEYS_PER_READ) {
    const page = all.slice(at, at + KEYS_PER_READ);
    const keys = page.map(([key]) => new TextEncoder().encode(key));
    const { results } = await client.getMany({ keys }, { timeoutMs: PATIENCE_MS });
    if (results.length !== page.length) throw new Error(`${results.length} results for ${page.length} keys`);
    page.forEach(([key, wanted], position) => {
      const { value, version } = results[position]!;
      const found = value === undefined ? "nothing" : new TextDecoder().decode(value);
      if (found === wanted.value && Number(version) === wanted.version) return;
      missing.push(
        `${key}: wanted ${wanted.value} at version ${wanted.version}, got ${found} at version ${version}`,
      );
    });
  }
  return missing;
}
