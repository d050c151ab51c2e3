/**
 * A client that does everything right while others do not: one put and one get at a time, on a connection
 * like everybody's, with the time each took. What others do to a node shows in what it gets.
 *
 * It does not know the leaders, and a busy machine may break the stream over which a node passes its calls
 * on: then it is told that a put may have been done, or not, and repeats it, as the same value does no harm.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { KvService } from "../../../proto/mod.ts";
import { callNode } from "../cluster/node_call.ts";
import { pause, until } from "../patience.ts";

/** Leaves the processor to those under test. */
const PAUSE_MS = 10;
/** How often one put is repeated at most. */
const REPEATS_MAX = 3;

/** How it was served. */
export interface Service {
  readonly calls: number;
  /** Puts that were repeated. */
  readonly repeats: number;
  /** Each in words. */
  readonly failures: readonly string[];
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly slowestMs: number;
}

/** See the module comment. */
export class WellBehaved {
  readonly #address: string;
  readonly #durationsMs: number[] = [];
  readonly #failures: string[] = [];
  readonly #done: Promise<void>;
  #repeats = 0;
  #isStopping = false;

  private constructor(address: string) {
    this.#address = address;
    this.#done = this.#run();
  }

  /** Begins to call the node at `address` (`http://host:port`). */
  static start(address: string): WellBehaved {
    return new WellBehaved(address);
  }

  /** Resolves when `count` further calls have ended. */
  async makesFurther(count: number): Promise<void> {
    const wanted = this.#durationsMs.length + count;
    await until(() => this.#durationsMs.length >= wanted, "a well-behaved client is served");
  }

  /** Ends with the answer to the call under way. */
  async stop(): Promise<Service> {
    this.#isStopping = true;
    await this.#done;
    const sorted = this.#durationsMs.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      calls: sorted.length,
      repeats: this.#repeats,
      failures: this.#failures,
      medianMs: at(0.5),
      p90Ms: at(0.9),
      slowestMs: at(1),
    };
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isStopping; number++) {
      const value = `value ${number}`;
      await this.#timed(() => this.#put(value));
      await this.#timed(async () => {
        const found = await this.#get();
        if (found !== value) this.#failures.push(`read "${found}" after writing "${value}"`);
      });
      await pause(PAUSE_MS);
    }
  }

  async #timed(call: () => Promise<void>): Promise<void> {
    const startedMs = performance.now();
    try {
      await call();
    } catch (error) {
      this.#failures.push(String(error));
    }
    this.#durationsMs.push(performance.now() - startedMs);
  }

  async #put(value: string, repeatsLeft = REPEATS_MAX): Promise<void> {
    const input = { key: KEY, value: new TextEncoder().encode(value) };
    try {
      await callNode(this.#address, KvService.method.put, { input });
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Aborted || repeatsLeft === 0) throw error;
      this.#repeats++;
      await this.#put(value, repeatsLeft - 1);
    }
  }

  async #get(): Promise<string> {
    const { value } = await callNode(this.#address, KvService.method.get, { input: { key: KEY } });
    return new TextDecoder().decode(value);
  }
}

const KEY = new TextEncoder().encode("well-behaved");
