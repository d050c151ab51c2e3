/**
 * Carries items that leave together to their end. They are cut into partition batches, one per partition;
 * batches with the same target travel in one call. Batches that failed go on by themselves, possibly to
 * different nodes, until each has succeeded, has failed for good or has run out of time. A batch is always
 * sent as a whole and unchanged, because a node recognises a repeated write by its request id and the
 * partition and does not compare its content.
 *
 * ```
 * items ─┬─ batch of partition 0 ─┐ call to the leader of 0 and 1 ── answered: settled
 *        ├─ batch of partition 1 ─┘                               └─ failed: wait, refresh, regroup, again
 *        └─ batch of partition 2 ── call to the leader of 2 ──────── …
 * ```
 *
 * What is sent and how answers are read is up to an `Exchange` (`exchange.ts`).
 *
 * @module
 */

import type { Target } from "../routing/mod.ts";
import { type CallFailure, errorOf, sleep } from "../transport/mod.ts";
import { type AttemptContext, type AttemptResult, runAttempt } from "./attempt.ts";
import type { BackoffOptions, RetryVerdict } from "./backoff.ts";
import type { Exchange } from "./exchange.ts";
import { rejectAtDeadlines } from "./expiry.ts";
import {
  type AnyPending,
  cutByPartition,
  decisiveOf,
  isForGood,
  isWanted,
  type ItemFailures,
  latestDeadline,
  noteResult,
  type PartitionBatch,
  rejectEach,
} from "./partition_batch.ts";

/** Items on their way. */
export interface Dispatch {
  /** Its first calls have ended; it may be over then or go on with retries. Does not reject. */
  readonly firstAttempt: Promise<void>;
  /** Everything in it is settled. Does not reject. */
  readonly done: Promise<void>;
}

/** See the module comment. */
export class Dispatcher {
  readonly #context: AttemptContext;
  readonly #backoff: BackoffOptions;

  constructor(context: AttemptContext, backoff: BackoffOptions) {
    this.#context = context;
    this.#backoff = backoff;
  }

  /** Sends `items`, in calls as `exchange` makes them, and settles each of them. */
  start<Item extends AnyPending>(items: readonly Item[], exchange: Exchange<Item>): Dispatch {
    const run = new Run(this.#context, exchange);
    const batches = cutByPartition(items, this.#backoff);
    const done = run.toEnd(batches);
    return { firstAttempt: run.firstAttempt, done };
  }
}

/** Batches that travel in one call. */
interface JoinedCall<Item> {
  readonly target: Target;
  readonly batches: readonly PartitionBatch<Item>[];
}

/** One that is being filled. */
interface OpenCall<Item> extends JoinedCall<Item> {
  readonly batches: PartitionBatch<Item>[];
}

/** Items that were started together, until all are settled. */
class Run<Item extends AnyPending> {
  readonly firstAttempt: Promise<void>;
  readonly #context: AttemptContext;
  readonly #exchange: Exchange<Item>;
  #endFirstAttempt: () => void = () => {};

  constructor(context: AttemptContext, exchange: Exchange<Item>) {
    this.#context = context;
    this.#exchange = exchange;
    this.firstAttempt = new Promise((resolve) => this.#endFirstAttempt = resolve);
  }

  async toEnd(batches: readonly PartitionBatch<Item>[]): Promise<void> {
    const stop = rejectAtDeadlines(batches, this.#context.clock);
    try {
      const calls = this.#joinCalls(batches, false);
      let left = calls.length;
      await Promise.all(calls.map(async (call) => {
        const failed = await this.#send(call);
        if (--left === 0) this.#endFirstAttempt();
        await this.#retry(failed);
      }));
    } catch (error) {
      // Reached only through a defect of this client; nobody may be left waiting for it.
      for (const batch of batches) for (const item of batch.items) item.reject(error);
    } finally {
      stop();
      this.#endFirstAttempt();
    }
  }

  /** All further attempts of the batches in `failed`. */
  async #retry(failed: readonly PartitionBatch<Item>[]): Promise<void> {
    if (failed.length === 0) return;
    const again = await this.#prepareRetry(failed);
    if (again.length === 0) return;
    const calls = this.#joinCalls(again, this.#exchange.splitOnRetry);
    await Promise.all(calls.map(async (call) => this.#retry(await this.#send(call))));
  }

  /** Sends `call` and returns the batches that did not succeed, with `lastFailure` set. */
  async #send({ target, batches }: JoinedCall<Item>): Promise<readonly PartitionBatch<Item>[]> {
    const { path, readOnly } = this.#exchange;
    const result = await runAttempt(this.#context, {
      target,
      path,
      readOnly,
      body: this.#exchange.encode(batches),
      deadline: latestDeadline(batches),
      routes: batches.map((batch) => batch.route),
      isWanted: () => batches.some(isWanted),
    });
    const failed = this.#failedOf(batches, result);
    if (failed.length === 0 && this.#exchange.toLeader && !target.direct) {
      this.#context.discovery.tryRefresh();
    }
    for (const batch of batches) if (batch.lastFailure === undefined) batch.route.troubled = false;
    return failed;
  }

  #failedOf(
    batches: readonly PartitionBatch<Item>[],
    result: AttemptResult,
  ): readonly PartitionBatch<Item>[] {
    if (result.kind === "failed") {
      for (const batch of batches) {
        noteResult(batch, batches.length === 1 ? result.failure : withoutHint(result.failure));
      }
      return batches;
    }
    const failures = this.#settle(batches, result.response);
    let position = 0;
    for (const batch of batches) {
      const own = failures?.slice(position, position + batch.items.length);
      position += batch.items.length;
      noteResult(batch, own === undefined ? undefined : decisiveOf(own));
      // A failure for good may differ from item to item, so each gets its own.
      if (batch.lastFailure !== undefined && isForGood(batch.lastFailure)) rejectEach(batch, own!);
    }
    return failures === undefined ? [] : batches.filter((batch) => batch.lastFailure !== undefined);
  }

  #settle(batches: readonly PartitionBatch<Item>[], response: Uint8Array): ItemFailures | undefined {
    const items = batches.length === 1 ? batches[0]!.items : batches.flatMap((batch) => batch.items);
    try {
      return this.#exchange.settle(items, response);
    } catch (error) {
      const message = `Cannot understand the answer of a node: ${(error as Error).message}`;
      return items.map(() => ({ kind: "final", code: "internal", message }));
    }
  }

  /** Judges each of `failed`, rejects what is lost, and waits as long as the others have to. */
  async #prepareRetry(failed: readonly PartitionBatch<Item>[]): Promise<readonly PartitionBatch<Item>[]> {
    let delayMs = 0;
    let refresh = false;
    const again: PartitionBatch<Item>[] = [];
    for (const batch of failed) {
      const verdict = this.#judge(batch);
      if (verdict.kind === "giveUp") {
        for (const item of batch.items) item.reject(errorOf(batch.lastFailure!));
        continue;
      }
      batch.route.troubled = isElection(batch.lastFailure!, verdict.delayMs);
      again.push(batch);
      delayMs = Math.max(delayMs, verdict.delayMs);
      refresh ||= verdict.refresh;
    }
    if (again.length > 0 && refresh) await this.#context.discovery.tryRefresh();
    if (again.length > 0 && delayMs > 0) await sleep(this.#context.clock, delayMs);
    return again.filter(isWanted);
  }

  #judge(batch: PartitionBatch<Item>): RetryVerdict {
    const failure = batch.lastFailure!;
    // A write that met damaged data has no other replica to go to.
    if (failure.kind === "damaged" && !this.#exchange.readOnly) return { kind: "giveUp" };
    const verdict = batch.backoff.judge(failure);
    const hint = failure.kind === "notLeader" ? failure.hint : undefined;
    // The answer names the new leader, so no other node has to be asked.
    const redirected = hint !== undefined && this.#context.routes.learnHint(batch.route, hint);
    if (redirected) this.#discover(batch.route.leaderAddress!);
    return redirected && verdict.kind === "retry" ? { ...verdict, refresh: false } : verdict;
  }

  /**
   * A leader that the metadata does not name has joined since: the others are looked up, without holding
   * anybody up.
   */
  #discover(leader: string): void {
    const { routes, discovery } = this.#context;
    if (!routes.isMember(leader)) discovery.tryRefresh();
  }

  #joinCalls(batches: readonly PartitionBatch<Item>[], split: boolean): readonly JoinedCall<Item>[] {
    const calls = new Map<string, OpenCall<Item>>();
    for (const batch of batches) {
      const target = this.#exchange.target(batch);
      const key = split ? `partition ${batch.route.partitionId}` : `${target.direct} ${target.address}`;
      const call = calls.get(key);
      if (call === undefined) calls.set(key, { target, batches: [batch] });
      else call.batches.push(batch);
    }
    return [...calls.values()];
  }
}

/** Only the answer to a call about a single partition says which partition its hint is about. */
function withoutHint(failure: CallFailure): CallFailure {
  return failure.kind === "notLeader" ? { ...failure, hint: undefined } : failure;
}

/**
 * Whether `failure` is of the kind that lasts as long as an election or a restart, and not a mere change of
 * address.
 */
function isElection(failure: CallFailure, delayMs: number): boolean {
  switch (failure.kind) {
    case "unreachable":
    case "silent":
    case "wrongCluster":
    case "unavailable":
    case "outcomeUnknown":
      return true;
    case "notLeader":
      return delayMs > 0;
    default:
      return false;
  }
}
