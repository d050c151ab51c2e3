/**
 * Registers that only grow, read all the while through any node: the check for stale reads that needs no
 * history. Each register has one writer, which counts up; a read must not find less than what was
 * acknowledged, or found by another read, before it began, nor more than what was ever sent.
 *
 * @module
 */

import { PrkDbClient } from "../../../client/mod.ts";
import { Consistency, KvService } from "../../../proto/mod.ts";
import { callNode } from "../cluster/node_call.ts";
import { PATIENCE_MS, pause } from "../patience.ts";
import type { SeededRandom } from "../seeded_random.ts";

/** Short, so that a read does not wait out the death of the node it was sent to. */
const READ_TIMEOUT_MS = 2_000;
const PAUSE_MS = 2;

/** What to load. */
export interface RegisterLoadOptions {
  readonly addresses: readonly string[];
  readonly registers: number;
  /** At once, over all registers. */
  readonly readers: number;
  /** Picks what is read, and where. */
  readonly random: SeededRandom;
  /**
   * What readers ask for; linearizable unless given. Anything less must be found out, which tests this check.
   */
  readonly consistency?: Consistency;
}

interface Register {
  readonly key: Uint8Array<ArrayBuffer>;
  /** The last count that was sent. */
  sent: number;
  /** The largest count that any call has proved: acknowledged or read. */
  proved: number;
}

/** An answer, and the least that it must say. */
interface RegisterRead {
  readonly found: number;
  readonly floor: number;
  readonly address: string;
}

/** See the module comment. */
export class RegisterLoad {
  readonly #client: PrkDbClient;
  readonly #options: RegisterLoadOptions;
  readonly #registers: readonly Register[];
  readonly #violations: string[] = [];
  readonly #done: Promise<unknown>;
  #writes = 0;
  #reads = 0;
  #isStopping = false;

  private constructor(client: PrkDbClient, options: RegisterLoadOptions) {
    this.#client = client;
    this.#options = options;
    this.#registers = Array.from({ length: options.registers }, (_, number) => ({
      key: new TextEncoder().encode(`register-${number}`),
      sent: 0,
      proved: 0,
    }));
    const readers = Array.from({ length: options.readers }, () => this.#read());
    this.#done = Promise.all([...this.#registers.map((register) => this.#write(register)), ...readers]);
  }

  /** Connects and begins. */
  static async start(options: RegisterLoadOptions): Promise<RegisterLoad> {
    return new RegisterLoad(
      await PrkDbClient.connect(options.addresses, { timeoutMs: PATIENCE_MS }),
      options,
    );
  }

  /** Reads that found what they must not, in words. */
  get violations(): readonly string[] {
    return this.#violations;
  }

  /** Writes acknowledged. */
  get writes(): number {
    return this.#writes;
  }

  /** Reads answered. */
  get reads(): number {
    return this.#reads;
  }

  /** Resolves when every call under way has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
    await this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #write(register: Register): Promise<void> {
    while (!this.#isStopping) {
      const count = ++register.sent;
      try {
        await this.#client.put(register.key, String(count));
        register.proved = Math.max(register.proved, count);
        this.#writes++;
      } catch {
        // Whether it took effect is not known. The next one counts higher, so the checks hold either way.
      }
      await pause(PAUSE_MS);
    }
  }

  async #read(): Promise<void> {
    const { addresses, random, consistency = Consistency.LINEARIZABLE } = this.#options;
    while (!this.#isStopping) {
      const register = random.pick(this.#registers);
      const address = random.pick(addresses);
      const floor = register.proved;
      const found = await tryRead(address, { key: register.key, consistency });
      if (found === undefined) await pause(20);
      else this.#judge(register, { found, floor, address });
      await pause(PAUSE_MS);
    }
  }

  #judge(register: Register, { found, floor, address }: RegisterRead): void {
    this.#reads++;
    if (found < floor || found > register.sent) {
      const key = new TextDecoder().decode(register.key);
      this.#violations.push(`${address}: ${key} is ${found}, must be from ${floor} to ${register.sent}`);
    }
    register.proved = Math.max(register.proved, found);
  }
}

/** What is read, and how fresh it must be. */
interface ReadQuestion {
  readonly key: Uint8Array<ArrayBuffer>;
  readonly consistency: Consistency;
}

/** The register's count, 0 if it was never written; `undefined` when the node does not answer or refuses. */
async function tryRead(
  address: string,
  input: ReadQuestion,
): Promise<number | undefined> {
  try {
    const { value } = await callNode(address, KvService.method.get, { input, timeoutMs: READ_TIMEOUT_MS });
    return value === undefined ? 0 : Number(new TextDecoder().decode(value));
  } catch {
    return undefined;
  }
}
