/**
 * Where calls come into a node: cut by partition, counted against the budget, put before the loop, and their
 * results put together again in the order of the call.
 *
 * @module
 */

import {
  DomainError,
  type NodeReadOptions,
  type NodeWriteOptions,
  type ReadResult,
  type WriteResult,
} from "../api/mod.ts";
import { encodeCommand, type Mutation, type Outcome } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";
import { CallBudget } from "./budget.ts";
import type { CallInbox, CallResult, ReadCall, WriteCall } from "./call.ts";
import { stopping } from "./forwarding.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import { type Part, splitByPartition, writeResults } from "./split.ts";

/** What the intake works with. */
export interface CallIntakeOptions {
  readonly partitionCount: number;
  readonly clock: Clock;
  readonly inbox: CallInbox;
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
    if (this.#isClosed) return Promise.resolve({ ok: false, error: stopping() });
    if (!this.#budget.tryTake(bytes)) return Promise.resolve({ ok: false, error: tooManyCalls() });
    return new Promise((resolve) => {
      const call = create((result) => {
        this.#budget.release(bytes);
        resolve(result);
      });
      this.#options.inbox.push({ kind: "call", call });
    });
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

function tooManyCalls(): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    "This node has as many calls in flight as it may, or as much memory taken by them (--memory-bytes): try " +
      "again later",
  );
}
