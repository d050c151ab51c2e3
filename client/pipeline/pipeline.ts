/**
 * The machinery behind the client's methods, put together: every call becomes a `Pending` with its route and
 * deadline, and goes into a lane (joined) or out as a call of its own.
 *
 * Writes with a precondition go one after the other for each key (`key_turns.ts`).
 *
 * Joined are writes without a precondition, because a batch applies the mutations of a partition all or none,
 * and one caller's precondition must not undo another caller's write; and reads without a bound of age, which
 * only `Get` can carry. An increment of what is no number would undo the others, too, but hardly ever comes:
 * they are written again without it (`writes.ts`).
 *
 * @module
 */

import { BATCH_BYTES_MAX, BATCH_MUTATIONS_MAX } from "../../proto/mod.ts";
import type { Consistency, DecodedEntry, DecodedWriteResult, EncodableMutation } from "../codec/mod.ts";
import { closedError } from "../transport/mod.ts";
import type { AttemptContext } from "./attempt.ts";
import type { BackoffOptions } from "./backoff.ts";
import { Batcher } from "./batcher.ts";
import { type Dispatch, Dispatcher } from "./dispatcher.ts";
import type { Exchange } from "./exchange.ts";
import { KeyTurns } from "./key_turns.ts";
import { awaited, Pending, PendingBudget, pendingError, type Waiter } from "./pending.ts";
import { getExchange, getManyExchange, type PendingRead, type ReadMode } from "./reads.ts";
import type { Session } from "./session.ts";
import {
  batchExchange,
  joinedExchange,
  type PendingWrite,
  singleExchange,
  type WriteContext,
} from "./writes.ts";

/** Keys in one joined read: their values come back in one answer, a gigabyte at the very most. */
const JOINED_KEYS_MAX = 1_000;

/** What the pipeline is made of. */
export interface PipelineOptions {
  readonly context: AttemptContext;
  readonly session: Session;
  readonly backoff: BackoffOptions;
  /** 1 or more. */
  readonly batchesInFlight: number;
}

/** When a call ends at the latest. */
export interface CallLimits {
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What is asked, the key that decides where, and the bytes it counts for. */
interface SizedRequest<Request> {
  readonly request: Request;
  readonly key: Uint8Array;
  readonly bytes: number;
}

/** See the module comment. */
export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #dispatcher: Dispatcher;
  readonly #budget = new PendingBudget();
  readonly #writes: Batcher<PendingWrite>;
  readonly #turns: KeyTurns;
  readonly #reads: Readonly<Record<Consistency, Batcher<PendingRead>>>;
  #closed = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#dispatcher = new Dispatcher(options.context, options.backoff);
    this.#writes = new Batcher({
      ...this.#laneOptions(),
      send: (items) => this.#sendJoined(items),
      itemsMax: BATCH_MUTATIONS_MAX,
    });
    this.#turns = new KeyTurns({
      clock: options.context.clock,
      send: (item) => this.#sendWrite([item], (context) => singleExchange(item.request.kind, context)),
    });
    this.#reads = {
      linearizable: this.#readBatcher("linearizable"),
      follower: this.#readBatcher("follower"),
      stale: this.#readBatcher("stale"),
    };
  }

  /** One mutation. */
  write(mutation: EncodableMutation, limits: CallLimits): Promise<DecodedWriteResult> {
    const { promise, waiter } = awaited<DecodedWriteResult>();
    const item = this.#pendingWrite(mutation, limits, waiter);
    if (mutation.precondition === undefined) this.#writes.push(item);
    else this.#turns.take(item, promise);
    return promise;
  }

  /** Mutations that travel together; what came of each, in their order. */
  writeTogether(
    mutations: readonly EncodableMutation[],
    limits: CallLimits,
  ): Promise<readonly PromiseSettledResult<DecodedWriteResult>[]> {
    const items: PendingWrite[] = [];
    const results = mutations.map((mutation) =>
      new Promise<DecodedWriteResult>((resolve, reject) => {
        items.push(this.#pendingWrite(mutation, limits, { resolve, reject }));
      })
    );
    const settled = Promise.allSettled(results);
    // What did not fit is rejected already, so nothing of it may be sent: a partition is all or none.
    if (items.length < mutations.length) items.forEach((item) => item.reject(pendingError()));
    else this.#sendWrite(items, batchExchange);
    return settled;
  }

  /** One key. */
  read(key: Uint8Array, mode: ReadMode, limits: CallLimits): Promise<DecodedEntry> {
    return new Promise((resolve, reject) => {
      const item = this.#pending({ request: key, key, bytes: key.length }, limits, { resolve, reject });
      if (mode.maxStalenessMs === 0) return this.#reads[mode.consistency].push(item);
      this.#dispatcher.start([item], getExchange(this.#options.context.routes, mode));
    });
  }

  /** Lets nothing new in and resolves when all that is under way has ended. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#budget.whenDrained();
  }

  /** @throws {PrkDbError} `closed` */
  assertOpen(): void {
    if (this.#closed) throw closedError();
  }

  #pendingWrite(
    mutation: EncodableMutation,
    limits: CallLimits,
    waiter: Waiter<DecodedWriteResult>,
  ): PendingWrite {
    const valueLength = mutation.kind === "put" ? mutation.value.length : 0;
    const { key } = mutation;
    return this.#pending({ request: mutation, key, bytes: key.length + valueLength }, limits, waiter);
  }

  #pending<Request, Result>(
    { request, key, bytes }: SizedRequest<Request>,
    limits: CallLimits,
    waiter: Waiter<Result>,
  ): Pending<Request, Result> {
    this.assertOpen();
    limits.signal?.throwIfAborted();
    const { clock, routes } = this.#options.context;
    const deadline = clock.now() + limits.timeoutMs;
    const init = { route: routes.routeOf(key), request, bytes, deadline };
    const item = new Pending(init, waiter, this.#budget);
    if (limits.signal !== undefined) item.watchSignal(limits.signal);
    return item;
  }

  #sendJoined(items: readonly PendingWrite[]): Dispatch {
    const again = (kept: readonly PendingWrite[]) => void this.#sendJoined(kept);
    return this.#sendWrite(items, (context) => joinedExchange(context, again));
  }

  #sendWrite(
    items: readonly PendingWrite[],
    exchange: (context: WriteContext) => Exchange<PendingWrite>,
  ): Dispatch {
    const { context, session } = this.#options;
    const sequence = session.begin();
    const dispatch = this.#dispatcher.start(items, exchange({ routes: context.routes, session, sequence }));
    dispatch.done.then(() => session.end(sequence));
    return dispatch;
  }

  #readBatcher(consistency: Consistency): Batcher<PendingRead> {
    const exchange = getManyExchange(this.#options.context.routes, consistency);
    return new Batcher({
      ...this.#laneOptions(),
      send: (items) => this.#dispatcher.start(items, exchange),
      itemsMax: JOINED_KEYS_MAX,
    });
  }

  #laneOptions() {
    const { context, batchesInFlight } = this.#options;
    return { clock: context.clock, inFlightMax: batchesInFlight, bytesMax: BATCH_BYTES_MAX };
  }
}
