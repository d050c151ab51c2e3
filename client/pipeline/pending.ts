/**
 * One mutation or one key that a caller waits for, from the call until it is settled: by an answer, by its
 * deadline or by its signal. What is pending is counted against a limit for the whole client, so that a
 * program that does not wait for its calls gets an error before it runs out of memory.
 *
 * @module
 */

import type { PartitionRoute } from "../routing/mod.ts";
import { onAbort, PrkDbError } from "../transport/mod.ts";

/** Most mutations and keys a client holds at a time. */
export const PENDING_COUNT_MAX = 100_000;

/** Most bytes of keys and values a client holds at a time; sixteen of the largest batches. */
export const PENDING_BYTES_MAX = 134_217_728;

/** Counts what is pending. */
export class PendingBudget {
  #count = 0;
  #bytes = 0;
  #onDrained: (() => void) | undefined;

  /** @throws {PrkDbError} `resource_exhausted` when one of the limits is reached */
  take(bytes: number): void {
    if (this.#count >= PENDING_COUNT_MAX) throw pendingError();
    // A single call always fits into an empty client, however large.
    if (this.#count > 0 && this.#bytes + bytes > PENDING_BYTES_MAX) throw pendingError();
    this.#count++;
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    if (this.#count === 0) this.#onDrained?.();
  }

  /** Resolves when nothing waits any more; to be called once, when nothing new is let in. */
  whenDrained(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained = resolve);
  }

  /** Mutations and keys that wait at this moment. */
  get count(): number {
    return this.#count;
  }
}

/** The error of a call that does not fit beside those that wait for an answer. */
export function pendingError(): PrkDbError {
  return new PrkDbError(
    "resource_exhausted",
    `Too many calls wait for an answer (limits: ${PENDING_COUNT_MAX} mutations and keys, ` +
      `${PENDING_BYTES_MAX} bytes): wait for some of them, then try again`,
  );
}

/** What a `Pending` is made of. */
export interface PendingInit<Request> {
  readonly route: PartitionRoute;
  readonly request: Request;
  /** Of key and value. */
  readonly bytes: number;
  /** On the client's clock. */
  readonly deadline: number;
}

/** Where a settled `Pending` goes. */
export interface Waiter<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** A promise, and what settles it. */
export interface Awaited<Result> {
  readonly promise: Promise<Result>;
  readonly waiter: Waiter<Result>;
}

/** A promise that its waiter settles. */
export function awaited<Result>(): Awaited<Result> {
  let waiter: Waiter<Result> | undefined;
  const promise = new Promise<Result>((resolve, reject) => waiter = { resolve, reject });
  return { promise, waiter: waiter! };
}

/** See the module comment. Settling it twice is harmless: the first time counts. */
export class Pending<Request, Result> {
  readonly route: PartitionRoute;
  readonly request: Request;
  readonly bytes: number;
  readonly deadline: number;
  readonly #waiter: Waiter<Result>;
  readonly #budget: PendingBudget;
  #release: (() => void) | undefined;
  #settled = false;

  /** @throws {PrkDbError} `resource_exhausted`, see `PendingBudget` */
  constructor(init: PendingInit<Request>, waiter: Waiter<Result>, budget: PendingBudget) {
    budget.take(init.bytes);
    this.route = init.route;
    this.request = init.request;
    this.bytes = init.bytes;
    this.deadline = init.deadline;
    this.#waiter = waiter;
    this.#budget = budget;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  resolve(result: Result): void {
    if (this.#settle()) this.#waiter.resolve(result);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#waiter.reject(error);
  }

  /** Rejects with the reason of `signal` as soon as it fires. */
  watchSignal(signal: AbortSignal): void {
    if (signal.aborted) return this.reject(signal.reason);
    this.#release = onAbort(signal, () => this.reject(signal.reason));
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#budget.release(this.bytes);
    this.#release?.();
    return true;
  }
}
