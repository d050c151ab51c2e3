/**
 * Where calls come into a node: cut by partition, counted against a budget, put before the loop, and their
 * results put together again in the order of the call. What the budget does not hold is refused before it
 * costs anything.
 *
 * @module
 */

import type {
  DomainError,
  NodeReadOptions,
  NodeWriteOptions,
  ReadResult,
  RefusalMeters,
  WriteResult,
} from "../api/mod.ts";
import { encodeCommand, type Mutation, type Outcome } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";
import type { CallInbox, CallResult, ReadCall, WriteCall } from "./call.ts";
import type { MemoryBudget, MemoryPart } from "./memory_budget.ts";
import { overloaded, stopping } from "./refusal.ts";
import { type Part, splitByPartition, writeResults } from "./split.ts";

/** Calls a node holds at a time. */
const CALLS_MAX = 32_768;
/**
 * What a call costs besides its command or keys: promises, closures, its place in inbox and replica. Measured
 * with 200,000 calls: 895 bytes.
 */
const CALL_OVERHEAD_BYTES = 1_024;

/** What the intake works with. */
export interface CallIntakeOptions {
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly inbox: CallInbox;
  readonly meters: RefusalMeters;
  readonly memory: MemoryBudget;
}

/** See the module comment. */
export class CallIntake {
  readonly #options: CallIntakeOptions;
  readonly #budget: CallBudget;
  #isClosed = false;

  constructor(options: CallIntakeOptions) {
    this.#options = options;
    this.#budget = new CallBudget(options.memory.calls);
  }

  /** Calls that wait for an answer. */
  get callsInFlight(): number {
    return this.#budget.calls;
  }

  /** From now on every call is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /** See `NodeApi.write`. */
  async write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    const parts = splitByPartition(mutations, (mutation) => mutation.key, this.#options.partitionCount);
    if (parts.length === 1) return writeResults(parts[0]!, await this.#writePart(parts[0]!, options));
    const outcomes = await Promise.all(parts.map((part) => this.#writePart(part, options)));
    const results = new Array<WriteResult>(mutations.length);
    parts.forEach((part, at) => scatter(results, part.positions, writeResults(part, outcomes[at]!)));
    return results;
  }

  /** See `NodeApi.read`. */
  async read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]> {
    const parts = splitByPartition(keys, (key) => key, this.#options.partitionCount);
    if (parts.length === 1) return valueOf(await this.#readPart(parts[0]!, options));
    const answers = await Promise.all(parts.map((part) => this.#readPart(part, options)));
    const results = new Array<ReadResult>(keys.length);
    parts.forEach((part, at) => scatter(results, part.positions, valueOf(answers[at]!)));
    return results;
  }

  #writePart(
    { partitionId, items }: Part<Mutation>,
    options: NodeWriteOptions,
  ): Promise<CallResult<Outcome>> {
    const command = encodeCommand(items, options.requestId);
    const deadlineMs = this.#options.clock.monotonicMs() + options.timeoutMs;
    const mayForward = !options.direct;
    return this.#submit<Outcome>(
      command.length,
      (settle): WriteCall => ({ kind: "write", partitionId, command, deadlineMs, mayForward, settle }),
    );
  }

  #readPart(
    { partitionId, items }: Part<Uint8Array>,
    options: NodeReadOptions,
  ): Promise<CallResult<readonly ReadResult[]>> {
    const { consistency, maxStalenessMs } = options;
    const deadlineMs = this.#options.clock.monotonicMs() + options.timeoutMs;
    const base = { partitionId, keys: items, consistency, maxStalenessMs, deadlineMs };
    return this.#submit<readonly ReadResult[]>(
      bytesOf(items),
      (settle): ReadCall => ({ kind: "read", ...base, mayForward: !options.direct, settle }),
    );
  }

  /** Puts a call before the loop, within the budget. */
  #submit<T>(
    bytes: number,
    create: (settle: (result: CallResult<T>) => void) => WriteCall | ReadCall,
  ): Promise<CallResult<T>> {
    if (this.#isClosed) return Promise.resolve(this.#refused(stopping()));
    const error = this.#budget.take(bytes);
    if (error !== undefined) return Promise.resolve(this.#refused(error));
    return new Promise((resolve) => {
      const call = create((result) => {
        this.#budget.release(bytes);
        resolve(result.ok ? result : this.#refused(result.error));
      });
      this.#options.inbox.push({ kind: "call", call });
    });
  }

  #refused(error: DomainError): Refused {
    this.#options.meters.observeRefusal(error);
    return { ok: false, error };
  }
}

/** The result of a call that has failed. */
type Refused = Extract<CallResult<never>, { readonly ok: false }>;

/** How many calls, and how much memory for them, the node holds. */
class CallBudget {
  readonly #part: MemoryPart;
  #calls = 0;

  /** @param part where the memory is counted */
  constructor(part: MemoryPart) {
    this.#part = part;
  }

  get calls(): number {
    return this.#calls;
  }

  /**
   * Makes room for a call of `bytes`; give it back with {@linkcode release}.
   *
   * @returns why there is none; nothing was taken then
   */
  take(bytes: number): DomainError | undefined {
    if (this.#calls >= CALLS_MAX) {
      return overloaded("Too many calls wait at this node", CALLS_MAX, "calls_full");
    }
    const cost = bytes + CALL_OVERHEAD_BYTES;
    // A single call always fits an empty budget, however large it is.
    if (this.#calls > 0 && this.#part.usedBytes + cost > this.#part.limitBytes) {
      const what = "Too many bytes of calls wait at this node (--memory-bytes)";
      return overloaded(what, this.#part.limitBytes, "calls_full");
    }
    this.#calls++;
    this.#part.usedBytes += cost;
    return undefined;
  }

  release(bytes: number): void {
    this.#calls--;
    this.#part.usedBytes -= bytes + CALL_OVERHEAD_BYTES;
  }
}

/** @throws {DomainError} the reason why there is no value */
function valueOf<T>(answer: CallResult<T>): T {
  if (!answer.ok) throw answer.error;
  return answer.value;
}

function scatter<T>(into: T[], positions: readonly number[], values: readonly T[]): void {
  positions.forEach((position, at) => into[position] = values[at]!);
}

function bytesOf(keys: readonly Uint8Array[]): number {
  return keys.reduce((bytes, key) => bytes + key.length, 0);
}
