/**
 * Much data with little to remember: numbered rows of one size, each a function of its number and of how
 * often it was written, put in batches that are repeated until they are acknowledged. What every row must
 * hold in the end is known from two numbers.
 *
 * @module
 */

import { createClient } from "@connectrpc/connect";
import { PrkDbClient } from "../../../client/mod.ts";
import { createPrkDbTransport } from "../../../client/transport/connect_transport.ts";
import { Consistency, KvService } from "../../../proto/mod.ts";
import { PATIENCE_MS, pause } from "../patience.ts";

/** Rows of a batch. */
const ROWS_PER_BATCH = 50;
const ROWS_PER_READ = 500;
/** Batches under way at a time, unless it is said otherwise. */
const BATCHES_AT_ONCE = 4;
const RETRY_MS = 100;
/** Missing rows that are told. */
const TOLD_MAX = 5;

/** What is written. */
export interface RowLoadOptions {
  readonly addresses: readonly string[];
  /** Bytes of a value. */
  readonly valueBytes: number;
  /** Rows have the numbers below this; those above begin again. */
  readonly rowsMax?: number;
  readonly batchesAtOnce?: number;
}

/** A row, and how often it may have been written. */
interface RowState {
  readonly row: number;
  readonly writesMin: number;
  readonly writesMax: number;
}

/** See the module comment. */
export class RowLoad {
  readonly #client: PrkDbClient;
  readonly #options: RowLoadOptions;
  /** By row: how often it was written. */
  readonly #writes: number[] = [];
  #next = 0;
  #written = 0;
  #repeats = 0;
  #running: Promise<void> | undefined;
  #isStopping = false;

  private constructor(client: PrkDbClient, options: RowLoadOptions) {
    this.#client = client;
    this.#options = options;
  }

  static async open(options: RowLoadOptions): Promise<RowLoad> {
    const client = await PrkDbClient.connect(options.addresses, { timeoutMs: PATIENCE_MS });
    return new RowLoad(client, options);
  }

  /** Rows that were acknowledged, each as often as it was written. */
  get written(): number {
    return this.#written;
  }

  /** Batches that were repeated. */
  get repeats(): number {
    return this.#repeats;
  }

  /** Bytes of the values that were acknowledged. */
  get bytes(): number {
    return this.#written * this.#options.valueBytes;
  }

  /** Writes that many further rows; resolves when all are acknowledged. */
  async write(count: number): Promise<void> {
    const end = this.#next + count;
    const worker = async () => {
      while (this.#next < end) await this.#writeBatch(Math.min(ROWS_PER_BATCH, end - this.#next));
    };
    const { batchesAtOnce = BATCHES_AT_ONCE } = this.#options;
    await Promise.all(Array.from({ length: batchesAtOnce }, worker));
  }

  /** Writes on, one batch after the other, until it is stopped. */
  startWriting(pauseMs: number): void {
    this.#isStopping = false;
    this.#running = (async () => {
      while (!this.#isStopping) {
        await this.#writeBatch(ROWS_PER_BATCH);
        await pause(pauseMs);
      }
    })();
  }

  /** Resolves when what was begun is acknowledged. */
  async stopWriting(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /**
   * What the node at `address` gives back otherwise than it was acknowledged, in words, from the state that
   * it has itself, as of now.
   *
   * @param isWritten whether rows are written meanwhile: those may hold what is not acknowledged yet
   */
  async wrongAt(address: string, { isWritten = false } = {}): Promise<readonly string[]> {
    const before = [...this.#writes];
    const service = createClient(KvService, createPrkDbTransport({ baseUrl: address }));
    const wrong: string[] = [];
    for (let from = 0; from < before.length; from += ROWS_PER_READ) {
      const rows = before.slice(from, from + ROWS_PER_READ).map((_, at) => from + at);
      const keys = rows.map((row) => new TextEncoder().encode(keyOf(row)));
      const { results } = await service.getMany(
        { keys, consistency: Consistency.FOLLOWER },
        { timeoutMs: PATIENCE_MS },
      );
      for (const [at, row] of rows.entries()) {
        const found = results[at]?.value;
        const text = found === undefined ? "nothing" : new TextDecoder().decode(found);
        const writesMax = isWritten ? this.#writes[row]! + 1 : this.#writes[row]!;
        if (!this.#isValueOf(text, { row, writesMin: before[row]!, writesMax })) {
          wrong.push(`row ${row}, written ${this.#writes[row]} times: ${text.slice(0, 40)}`);
        }
      }
    }
    return wrong.length > TOLD_MAX ? [...wrong.slice(0, TOLD_MAX), `${wrong.length} in all`] : wrong;
  }

  async close(): Promise<void> {
    await this.stopWriting();
    await this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The same row is not in two batches at a time: it would not be known which came last. */
  async #writeBatch(count: number): Promise<void> {
    const { rowsMax = Infinity } = this.#options;
    const rows = Array.from({ length: count }, (_, at) => (this.#next + at) % rowsMax);
    this.#next += count;
    const puts = rows.map((row) => {
      const value = this.#valueOf(row, (this.#writes[row] ?? 0) + 1);
      return { kind: "put" as const, key: keyOf(row), value };
    });
    await this.#repeat(async () => {
      const results = await this.#client.writeBatch(puts, { timeoutMs: PATIENCE_MS });
      for (const result of results) if (result.kind === "failed") throw result.error;
    });
    for (const row of rows) this.#writes[row] = (this.#writes[row] ?? 0) + 1;
    this.#written += count;
  }

  /** A refusal while a node is full, or gone, passes; the same values again do no harm. */
  async #repeat(step: () => Promise<void>): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        this.#repeats++;
        await pause(RETRY_MS);
      }
    }
  }

  #isValueOf(text: string, { row, writesMin, writesMax }: RowState): boolean {
    for (let writes = writesMin; writes <= writesMax; writes++) {
      if (text === this.#valueOf(row, writes)) return true;
    }
    return false;
  }

  #valueOf(row: number, writes: number): string {
    return `${row}:${writes}:`.padEnd(this.#options.valueBytes, "abcdefghijklmnopqrstuvwxyz");
  }
}

function keyOf(row: number): string {
  return `row-${row}`;
}
