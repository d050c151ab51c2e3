/**
 * Records what clients ask and are told, for the checkers in `tests/linearizability/`. A recorder is shared
 * by all clients of a test; each call is noted before it is made and again when its answer is here, on a
 * clock of its own that never shows the same time twice, so that the order of any two events is certain.
 *
 * ```ts
 * const recorder = new HistoryRecorder(() => performance.now());
 * const client = recorder.client(1, await PrkDbClient.connect(addresses));
 * await client.put("seat", "Alice");
 * const { outcome } = await client.get("seat");
 * const verdict = checkLinearizable(recorder.history());
 * ```
 *
 * Calls do not reject because of what the cluster does: they resolve with the operation and its outcome.
 * Which errors leave a write open, and which say that it never happened, is decided in `outcomeOfError`.
 *
 * @module
 */

import type { PreconditionOption } from "../../../client/arguments/argument.ts";
import type { GetOptions } from "../../../client/arguments/options.ts";
import type { PrkDbClient } from "../../../client/mod.ts";
import { PreconditionError, PrkDbError } from "../../../client/transport/error.ts";
import type {
  Condition,
  History,
  Operation,
  OperationOutcome,
  Reading,
  RegisterAction,
} from "../../linearizability/history.ts";
import type { StaleRead } from "../../linearizability/stale_reads.ts";

/**
 * Between two events that the clock gives the same time. Small against a millisecond, large against rounding.
 */
const TICK = 1 / 4096;

/** What of the client is used. */
export type RecordableClient = Pick<PrkDbClient, "put" | "delete" | "getEntry" | "getMany" | "writeBatch">;

/** Of a write. */
export interface RecordedWriteOptions {
  readonly condition?: Condition;
  readonly timeoutMs?: number;
}

/** Of a read that must be linearizable. */
export interface RecordedReadOptions {
  /** `linearizable` unless given. */
  readonly consistency?: "linearizable" | "follower";
  readonly timeoutMs?: number;
}

/** Of a read that may be old. */
export interface RecordedStaleReadOptions {
  /** How old, in milliseconds, 1 or more; any age unless given. */
  readonly maxStalenessMs?: number;
  readonly timeoutMs?: number;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** See the module comment. */
export class HistoryRecorder {
  readonly #now: () => number;
  readonly #operations: Mutable<Operation>[] = [];
  readonly #staleReads: StaleRead[] = [];
  #lastAt = -Infinity;

  /** @param now milliseconds since any moment; need not grow */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** `client`, recorded under the number `id`. One number may make several calls at once. */
  client(id: number, client: RecordableClient): RecordedClient {
    return new RecordedClient({ id, client, recorder: this });
  }

  /** All operations so far but stale reads, by invocation; those under way have an unknown outcome. */
  history(): History {
    return this.#operations.map((operation) => ({ ...operation }));
  }

  /** All reads so far that were allowed to be old and were answered. */
  staleReads(): readonly StaleRead[] {
    return this.#staleReads;
  }

  /** Notes a call before it is made; what is returned is changed in place by `end`. */
  begin({ client, key, action }: Pick<Operation, "client" | "key" | "action">): Operation {
    const at = this.stamp();
    const outcome = { kind: "unknown" } as const;
    const operation = { client, key, action, outcome, invokedAt: at, returnedAt: at };
    this.#operations.push(operation);
    return operation;
  }

  /** Notes the answer to a call that began. */
  end(operation: Operation, outcome: OperationOutcome): Operation {
    return Object.assign(operation, { outcome, returnedAt: this.stamp() });
  }

  noteStaleRead(read: StaleRead): void {
    this.#staleReads.push(read);
  }

  /** The time, later than any it has given before. */
  stamp(): number {
    this.#lastAt = Math.max(this.#now(), this.#lastAt + TICK);
    return this.#lastAt;
  }
}

/** What a recorded client works with. */
interface RecordedClientParts {
  readonly id: number;
  readonly client: RecordableClient;
  readonly recorder: HistoryRecorder;
}

/** A client whose calls are recorded; keys and values are text. */
export class RecordedClient {
  readonly #id: number;
  readonly #client: RecordableClient;
  readonly #recorder: HistoryRecorder;

  /** Use `HistoryRecorder.client`. */
  constructor(
    { id, client, recorder }: RecordedClientParts,
  ) {
    this.#id = id;
    this.#client = client;
    this.#recorder = recorder;
  }

  put(key: string, value: string, options: RecordedWriteOptions = {}): Promise<Operation> {
    const { condition, ...limits } = options;
    return this.#record(key, { kind: "put", value, condition }, async () => {
      const { version } = await this.#client.put(key, value, { ...limits, ...preconditionOf(condition) });
      return { kind: "written", version };
    });
  }

  delete(key: string, options: RecordedWriteOptions = {}): Promise<Operation> {
    const { condition, ...limits } = options;
    return this.#record(key, { kind: "delete", condition }, async () => {
      const { existed, version } = await this.#client.delete(key, {
        ...limits,
        ...preconditionOf(condition),
      });
      return { kind: "deleted", existed, version };
    });
  }

  get(key: string, options: RecordedReadOptions = {}): Promise<Operation> {
    return this.#record(key, { kind: "get" }, () => this.#read(key, options));
  }

  /** Reads several keys with one call: one operation a key, without versions. */
  async getMany(keys: readonly string[], options: RecordedReadOptions = {}): Promise<readonly Operation[]> {
    const all = this.#client.getMany(keys, options);
    return await Promise.all(
      keys.map((key, at) =>
        this.#record(key, { kind: "get" }, async () => {
          const value = (await all)[at];
          return value === undefined ? { kind: "absent" } : { kind: "found", value: textOf(value) };
        })
      ),
    );
  }

  /** Puts several different keys with one call: one operation a key. */
  async putMany(
    entries: ReadonlyMap<string, string>,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<readonly Operation[]> {
    const mutations = [...entries].map(([key, value]) => ({ kind: "put", key, value }) as const);
    const all = Promise.withResolvers<Awaited<ReturnType<RecordableClient["writeBatch"]>>>();
    const recorded = mutations.map(({ key, value }, at) =>
      this.#record(key, { kind: "put", value }, async () => {
        const result = (await all.promise)[at]!;
        if (result.kind === "failed") throw result.error;
        return { kind: "written", version: result.version };
      })
    );
    this.#client.writeBatch(mutations, options).then(all.resolve, all.reject);
    return await Promise.all(recorded);
  }

  /**
   * Reads what may be old; `undefined` without an answer. It goes to `staleReads` of the recorder, not into
   * the history, which it does not fit.
   */
  async getStale(key: string, options: RecordedStaleReadOptions = {}): Promise<StaleRead | undefined> {
    const invokedAt = this.#recorder.stamp();
    const reading = await this.#tryRead(key, { ...options, consistency: "stale" });
    const returnedAt = this.#recorder.stamp();
    if (reading === undefined) return undefined;
    const bound = options.maxStalenessMs ?? Infinity;
    const read = { client: this.#id, key, reading, bound, invokedAt, returnedAt };
    this.#recorder.noteStaleRead(read);
    return read;
  }

  async #record(
    key: string,
    action: RegisterAction,
    call: () => Promise<OperationOutcome>,
  ): Promise<Operation> {
    const operation = this.#recorder.begin({ client: this.#id, key, action });
    try {
      return this.#recorder.end(operation, await call());
    } catch (error) {
      return this.#recorder.end(operation, outcomeOfError(error));
    }
  }

  async #read(key: string, options: GetOptions): Promise<Reading> {
    const entry = await this.#client.getEntry(key, options);
    if (entry === undefined) return { kind: "absent" };
    return { kind: "found", value: textOf(entry.value), version: entry.version };
  }

  async #tryRead(key: string, options: GetOptions): Promise<Reading | undefined> {
    try {
      return await this.#read(key, options);
    } catch (error) {
      outcomeOfError(error);
      return undefined;
    }
  }
}

/**
 * What an error says about a write. The smart client sends a write more than once, so an error that speaks
 * for its last attempt only leaves open what an earlier one did; that it was refused as invalid, or for lack
 * of rights, holds for all of them.
 *
 * @throws the error itself where it is a mistake of the test: a wrong argument, or no error of the client at
 *   all
 */
export function outcomeOfError(error: unknown): OperationOutcome {
  if (error instanceof PreconditionError) {
    const { currentVersion } = error;
    return currentVersion === undefined ? { kind: "failed" } : { kind: "refused", currentVersion };
  }
  if (error instanceof DOMException) return { kind: "unknown" };
  if (!(error instanceof PrkDbError)) throw error;
  switch (error.code) {
    case "invalid_argument":
    case "out_of_range":
    case "unimplemented":
    case "unauthenticated":
    case "permission_denied":
    case "closed":
      return { kind: "failed" };
    default:
      return { kind: "unknown" };
  }
}

function preconditionOf(
  condition: Condition | undefined,
): { readonly precondition?: PreconditionOption } {
  if (condition === undefined) return {};
  if (condition.kind === "exists") return { precondition: { exists: true } };
  return { precondition: condition.kind === "absent" ? { absent: true } : { version: condition.version } };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
