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
  write(mutations: readonly Mutation[], options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    const parts = splitByPartition(mutations, (mutation) => mutation.key, this.#options.partitionCount);
    const answers = parts.map((part) => this.#writePart(part, options));
    return answers.length === 1 ? answers[0]! : together(parts, answers);
  }

  /** See `NodeApi.read`. */
  read(keys: readonly Uint8Array[], options: NodeReadOptions): Promise<readonly ReadResult[]> {
    const parts = splitByPartition(keys, (key) => key, this.#options.partitionCount);
    const answers = parts.map((part) => this.#readPart(part, options));
    return answers.length === 1 ? answers[0]! : together(parts, answers);
  }

  /**
   * Resolves when the replica here has everything that was acknowledged before the call.
   *
   * @throws {DomainError} `notLeader` when it does not lead the partition; when nobody can say in time
   */
  async confirm(partitionId: number, { timeoutMs }: Pick<NodeReadOptions, "timeoutMs">): Promise<void> {
    const options = { consistency: "linearizable", maxStalenessMs: 0, timeoutMs, direct: true } as const;
    await this.#readPart({ partitionId, items: [], positions: [] }, options);
  }

  #writePart(part: Part<Mutation>, options: NodeWriteOptions): Promise<readonly WriteResult[]> {
    const { partitionId, items } = part;
    const command = encodeCommand(items, options.requestId);
    const deadlineMs = this.#options.clock.monotonicMs() + options.timeoutMs;
    const { caller, direct } = options;
    return this.#submit<Outcome, readonly WriteResult[]>(command.length, {
      create: (settle) => (
        { kind: "write", partitionId, command, deadlineMs, mayForward: !direct, caller, settle }
      ),
      answer: (result) => writeResults(part, result),
    });
  }

  #readPart(
    { partitionId, items }: Part<Uint8Array>,
    options: NodeReadOptions,
  ): Promise<readonly ReadResult[]> {
    const { caller, consistency, maxStalenessMs } = options;
    const deadlineMs = this.#options.clock.monotonicMs() + options.timeoutMs;
    const base = { partitionId, keys: items, consistency, maxStalenessMs, deadlineMs, caller };
    return this.#submit<readonly ReadResult[], readonly ReadResult[]>(bytesOf(items), {
      create: (settle) => ({ kind: "read", ...base, mayForward: !options.direct, settle }),
      answer: valueOf,
    });
  }

  /** Puts a call before the loop, within the budget. One promise is all that a call costs here. */
  #submit<T, Answer>(bytes: number, { create, answer }: Submission<T, Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const settle = (result: CallResult<T>) => {
        try {
          resolve(answer(result.ok ? result : this.#refused(result.error)));
        } catch (error) {
          reject(error);
        }
      };
      const refusal = this.#isClosed ? stopping() : this.#budget.take(bytes);
      if (refusal !== undefined) return settle({ ok: false, error: refusal });
      const call = create((result) => {
        this.#budget.release(bytes);
        settle(result);
      });
      this.#options.inbox.push({ kind: "call", call });
    });
  }

  #refused(error: DomainError): Refused {
    this.#options.meters.observeRefusal(error);
    return { ok: false, error };
  }
}

/** How a call is made, and what its caller gets of the result. */
interface Submission<T, Answer> {
  readonly create: (settle: (result: CallResult<T>) => void) => WriteCall | ReadCall;
  /** Throws what the caller is told in place of an answer. */
  readonly answer: (result: CallResult<T>) => Answer;
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

/**
 * The answers to all parts of a call, each at the place of what it answers. If any has failed the first of
 * them is told, but not before all have ended: until then they hold what the caller has sent.
 */
async function together<Item, Answer>(
  parts: readonly Part<Item>[],
  answers: readonly Promise<readonly Answer[]>[],
): Promise<readonly Answer[]> {
  const whole: Answer[] = [];
  const settled = await Promise.allSettled(answers);
  parts.forEach(({ positions }, at) => {
    const answer = settled[at]!;
    if (answer.status === "rejected") throw answer.reason;
    positions.forEach((position, nth) => whole[position] = answer.value[nth]!);
  });
  return whole;
}

function bytesOf(keys: readonly Uint8Array[]): number {
  return keys.reduce((bytes, key) => bytes + key.length, 0);
}
