/**
 * Carries a batch to its end. A batch falls into parts, one a partition; parts with the same target travel in
 * one call. Parts that failed go on by themselves, possibly to different nodes, until each has succeeded, has
 * failed for good or has run out of time. A part is always sent as a whole and unchanged, because a node
 * recognises a repeated write by its request id and the partition and does not compare its content.
 *
 * ```
 * batch ─┬─ part of partition 0 ─┐ one call to the leader of 0 and 1 ── answered: settled
 *        ├─ part of partition 1 ─┘                                   └─ failed: wait, refresh, regroup, again
 *        └─ part of partition 2 ── one call to the leader of 2 ──────── …
 * ```
 *
 * What is sent and how answers are read is the business of an `Exchange`: `writes.ts` and `reads.ts`.
 *
 * @module
 */

import type { Target } from "../routing/mod.ts";
import { type CallFailure, deadlineError, errorOf, sleep } from "../transport/mod.ts";
import { type AttemptContext, type AttemptResult, runAttempt } from "./attempt.ts";
import type { BackoffOptions, RetryVerdict } from "./backoff.ts";
import {
  type AnyPending,
  decisiveOf,
  earliestDeadline,
  isForGood,
  isWanted,
  type ItemFailures,
  latestDeadline,
  noteOutcome,
  type PartitionBatch,
  partsOf,
  rejectEach,
} from "./partition_batch.ts";

/** How one kind of batch speaks to nodes. */
export interface Exchange<Item> {
  readonly path: string;
  readonly readOnly: boolean;
  /** Failed parts are sent in a call of their own each, because one bad partition fails the whole call. */
  readonly splitOnRetry: boolean;
  /**
   * Calls are for the leader: one that succeeded through another node shows that the route is out of date.
   */
  readonly toLeader: boolean;
  target(part: PartitionBatch<Item>): Target;
  /** The request for `parts`, their items one after the other. */
  encode(parts: readonly PartitionBatch<Item>[]): Uint8Array<ArrayBuffer>;
  /**
   * Resolves those `items` that succeeded.
   *
   * @returns the failures in the order of the items, or `undefined` when there is none
   * @throws {RangeError} when `response` cannot be understood
   */
  settle(items: readonly Item[], response: Uint8Array): ItemFailures | undefined;
}

/** A batch on its way. */
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
    const parts = partsOf(items, this.#backoff);
    const done = run.toEnd(parts);
    return { firstAttempt: run.firstAttempt, done };
  }
}

/** Parts that travel in one call. */
interface Group<Item> {
  readonly target: Target;
  readonly parts: readonly PartitionBatch<Item>[];
}

/** The life of one batch. */
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

  async toEnd(parts: readonly PartitionBatch<Item>[]): Promise<void> {
    const stop = this.#expireInTime(parts);
    try {
      const groups = this.#group(parts, false);
      let left = groups.length;
      await Promise.all(groups.map(async (group) => {
        const failed = await this.#send(group);
        if (--left === 0) this.#endFirstAttempt();
        await this.#retry(failed);
      }));
    } catch (error) {
      // Reached only through a defect of this client; nobody may be left waiting for it.
      for (const part of parts) for (const item of part.items) item.reject(error);
    } finally {
      stop();
      this.#endFirstAttempt();
    }
  }

  /** Whatever has to follow for the parts in `failed`. */
  async #retry(failed: readonly PartitionBatch<Item>[]): Promise<void> {
    if (failed.length === 0) return;
    const again = await this.#prepareRetry(failed);
    if (again.length === 0) return;
    const groups = this.#group(again, this.#exchange.splitOnRetry);
    await Promise.all(groups.map(async (group) => this.#retry(await this.#send(group))));
  }

  /** Sends `group` and returns the parts that did not succeed, with `lastFailure` set. */
  async #send({ target, parts }: Group<Item>): Promise<readonly PartitionBatch<Item>[]> {
    const { path, readOnly } = this.#exchange;
    const outcome = await runAttempt(this.#context, {
      target,
      path,
      readOnly,
      body: this.#exchange.encode(parts),
      deadline: latestDeadline(parts),
      routes: parts.map((part) => part.route),
      isWanted: () => parts.some(isWanted),
    });
    const failed = this.#sort(parts, outcome);
    if (failed.length === 0 && this.#exchange.toLeader && !target.direct) {
      this.#context.discovery.tryRefresh();
    }
    for (const part of parts) if (part.lastFailure === undefined) part.route.troubled = false;
    return failed;
  }

  #sort(group: readonly PartitionBatch<Item>[], outcome: AttemptResult): readonly PartitionBatch<Item>[] {
    if (outcome.kind === "failed") {
      for (const part of group) {
        noteOutcome(part, group.length === 1 ? outcome.failure : unhinted(outcome.failure));
      }
      return group;
    }
    const failures = this.#settle(group, outcome.response);
    let position = 0;
    for (const part of group) {
      const own = failures?.slice(position, position + part.items.length);
      position += part.items.length;
      noteOutcome(part, own === undefined ? undefined : decisiveOf(own));
      // A failure for good may differ from item to item, so each gets its own.
      if (part.lastFailure !== undefined && isForGood(part.lastFailure)) rejectEach(part, own!);
    }
    return failures === undefined ? [] : group.filter((part) => part.lastFailure !== undefined);
  }

  #settle(group: readonly PartitionBatch<Item>[], response: Uint8Array): ItemFailures | undefined {
    const items = group.length === 1 ? group[0]!.items : group.flatMap((part) => part.items);
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
    for (const part of failed) {
      const verdict = this.#judge(part);
      if (verdict.kind === "giveUp") {
        for (const item of part.items) item.reject(errorOf(part.lastFailure!));
        continue;
      }
      part.route.troubled = isElection(part.lastFailure!, verdict.delayMs);
      again.push(part);
      delayMs = Math.max(delayMs, verdict.delayMs);
      refresh ||= verdict.refresh;
    }
    if (again.length > 0 && refresh) await this.#context.discovery.tryRefresh();
    if (again.length > 0 && delayMs > 0) await sleep(this.#context.clock, delayMs);
    return again.filter(isWanted);
  }

  #judge(part: PartitionBatch<Item>): RetryVerdict {
    const failure = part.lastFailure!;
    // A write that met damaged data has no other replica to go to.
    if (failure.kind === "damaged" && !this.#exchange.readOnly) return { kind: "giveUp" };
    const verdict = part.backoff.judge(failure);
    const hint = failure.kind === "notLeader" ? failure.hint : undefined;
    // Whoever has been told the new leader needs to ask nobody else.
    const redirected = hint !== undefined && this.#context.routes.learnHint(part.route, hint);
    if (redirected) this.#meet(part.route.leaderAddress!);
    return redirected && verdict.kind === "retry" ? { ...verdict, refresh: false } : verdict;
  }

  /**
   * A leader that the metadata does not name has joined since: the others are looked up, without holding
   * anybody up.
   */
  #meet(leader: string): void {
    const { routes, discovery } = this.#context;
    if (!routes.isMember(leader)) discovery.tryRefresh();
  }

  #group(parts: readonly PartitionBatch<Item>[], split: boolean): readonly Group<Item>[] {
    const groups = new Map<string, { readonly target: Target; readonly parts: PartitionBatch<Item>[] }>();
    for (const part of parts) {
      const target = this.#exchange.target(part);
      const key = split ? `partition ${part.route.partitionId}` : `${target.direct} ${target.address}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { target, parts: [part] });
      else group.parts.push(part);
    }
    return [...groups.values()];
  }

  /**
   * Rejects items as their deadlines pass, while the batch goes on for the others. Returns what ends the
   * watch.
   */
  #expireInTime(parts: readonly PartitionBatch<Item>[]): () => void {
    let cancel = () => {};
    const arm = () => {
      const next = earliestDeadline(parts);
      if (next !== undefined) {
        cancel = this.#context.clock.after(Math.max(0, next - this.#context.clock.now()), expire);
      }
    };
    const expire = () => {
      const now = this.#context.clock.now();
      for (const part of parts) {
        for (const item of part.items) {
          if (item.deadline <= now) item.reject(deadlineError(part.reason));
        }
      }
      arm();
    };
    arm();
    return () => cancel();
  }
}

/** Only the answer to a call about a single partition says which partition its hint is about. */
function unhinted(failure: CallFailure): CallFailure {
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
    case "unavailable":
    case "outcomeUnknown":
      return true;
    case "notLeader":
      return delayMs > 0;
    default:
      return false;
  }
}
