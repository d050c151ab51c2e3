/**
 * Changes to the cluster: asked for, watched and waited for. Any node takes any of them, so a call goes to one that has
 * just shown that it answers, and to another when that one cannot be reached.
 *
 * A change whose answer was lost may have begun. Adding a node, handing a leadership over and evening out are asked for
 * again then, because asking twice changes nothing; the others fail with `aborted`, for the caller to look at the
 * cluster's changes.
 *
 * @module
 */

import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  AddNodeRequestSchema,
  ChangeResponseSchema,
  ClusterService,
  MoveReplicaRequestSchema,
  NODE_ID_MAX,
  RebalanceRequestSchema,
  RemoveNodeRequestSchema,
  TransferLeadershipRequestSchema,
} from "../proto/mod.ts";
import { timeoutOf, wholeNumber } from "./argument.ts";
import { type AttemptContext, type Outcome, runAttempt } from "./attempt.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import { type ChangeProgress, followChanges, noStreams } from "./change_watch.ts";
import { sleep } from "./clock.ts";
import { PrkDbError } from "./error.ts";
import { type CallFailure, deadlineError, errorOf } from "./failure.ts";
import type { CallOptions } from "./options.ts";

const PARTITION_ID_MAX = 2 ** 32 - 1;

/** What the client of a cluster is made of. */
export interface ClusterClientOptions {
  readonly context: AttemptContext;
  readonly backoff: BackoffOptions;
  /** Of calls that name no deadline, in milliseconds. */
  readonly timeoutMs: number;
}

/** How a change is waited for. */
export interface WaitOptions {
  /** Ends the wait with its reason; the change goes on. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which the wait fails with `deadline_exceeded`, 1 or more; none unless given. */
  readonly timeoutMs?: number;
  /** Called with every step that is seen, the last one too. */
  readonly onProgress?: (progress: ChangeProgress) => void;
}

/** A method, with its request encoded. */
interface ChangeCall {
  readonly method: keyof typeof ClusterService.method;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Asking twice is as good as once. */
  readonly isRepeatable: boolean;
}

/**
 * See the module comment. Changes resolve with the change's id as soon as it has begun. Unless said otherwise, every
 * method rejects with a `PrkDbError` when the cluster could not do what was asked (`invalid_argument` for a change that
 * makes no sense), with `TypeError` or `RangeError` for wrong arguments, and with the reason of its `signal`.
 */
export class ClusterClient {
  readonly #options: ClusterClientOptions;
  readonly #closing = new AbortController();

  /** Use `PrkDbClient.cluster`. */
  constructor(options: ClusterClientOptions) {
    this.#options = options;
  }

  /** Takes the node at `address` (`host:port`) in, and moves replicas and leaders to it until they are even. */
  async addNode(
    { nodeId, address }: { readonly nodeId: number; readonly address: string },
    options: CallOptions = {},
  ): Promise<string> {
    if (typeof address !== "string") throw new TypeError("address must be a string: host:port");
    const body = encode(AddNodeRequestSchema, { nodeId: nodeIdOf(nodeId, "nodeId"), address });
    return await this.#change({ method: "addNode", body, isRepeatable: true }, options);
  }

  /** Moves everything away from a node and removes it; it need not be running. Its id never comes back. */
  async removeNode(nodeId: number, options: CallOptions = {}): Promise<string> {
    const body = encode(RemoveNodeRequestSchema, { nodeId: nodeIdOf(nodeId, "nodeId") });
    return await this.#change({ method: "removeNode", body, isRepeatable: false }, options);
  }

  /** Moves one replica of a partition from one node to another. */
  async moveReplica(
    { partitionId, from, to }: { readonly partitionId: number; readonly from: number; readonly to: number },
    options: CallOptions = {},
  ): Promise<string> {
    const body = encode(MoveReplicaRequestSchema, {
      partitionId: partitionIdOf(partitionId),
      fromNode: nodeIdOf(from, "from"),
      toNode: nodeIdOf(to, "to"),
    });
    return await this.#change({ method: "moveReplica", body, isRepeatable: false }, options);
  }

  /** Has one of a partition's replicas lead it, now and whenever it can. */
  async transferLeadership(
    { partitionId, to }: { readonly partitionId: number; readonly to: number },
    options: CallOptions = {},
  ): Promise<string> {
    const body = encode(TransferLeadershipRequestSchema, {
      partitionId: partitionIdOf(partitionId),
      toNode: nodeIdOf(to, "to"),
    });
    return await this.#change({ method: "transferLeadership", body, isRepeatable: true }, options);
  }

  /** Makes replicas and leaders even over the nodes. */
  async rebalance(options: CallOptions = {}): Promise<string> {
    const body = encode(RebalanceRequestSchema, {});
    return await this.#change({ method: "rebalance", body, isRepeatable: true }, options);
  }

  /**
   * The changes under way and the last finished ones, once each, then every step of them; without end. The newest
   * state of each is certain to come, steps in between may be left out.
   */
  async *watchChanges(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ChangeProgress, never> {
    this.#assertOpen();
    const { context, backoff } = this.#options;
    const { caller } = context;
    if (caller.stream === undefined) throw noStreams();
    const streams = { stream: caller.stream.bind(caller) };
    const closing = this.#closing.signal;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    return yield* followChanges({ ...context, streams, random: backoff.random }, signal);
  }

  /**
   * Waits until a change has ended, and returns its last state.
   *
   * @throws {PrkDbError} `aborted` when it ended without having been done, `deadline_exceeded` when it has not ended
   *   in time
   */
  async waitForChange(
    changeId: string,
    { signal, timeoutMs, onProgress }: WaitOptions = {},
  ): Promise<ChangeProgress> {
    const limit = new AbortController();
    const stop = timeoutMs === undefined ? () => {} : this.#options.context.clock.after(
      wholeNumber(timeoutMs, { name: "timeoutMs", min: 1 }),
      () => limit.abort(new PrkDbError("deadline_exceeded", `Change ${changeId} has not ended in time`)),
    );
    const end = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
    try {
      for await (const progress of this.watchChanges({ signal: end })) {
        if (progress.changeId !== changeId) continue;
        onProgress?.(progress);
        if (progress.isFinished) return doneOrThrow(progress);
      }
    } finally {
      stop();
    }
    throw new Error("a watch without an end has ended");
  }

  /** Ends all watches with the error `closed`. */
  close(): void {
    this.#closing.abort(closedError());
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }

  async #change(call: ChangeCall, { timeoutMs, signal }: CallOptions): Promise<string> {
    this.#assertOpen();
    signal?.throwIfAborted();
    const limitMs = timeoutMs === undefined ? this.#options.timeoutMs : timeoutOf(timeoutMs);
    const asked = this.#askUntilBegun(call, {
      deadline: this.#options.context.clock.now() + limitMs,
      signal,
    });
    return await unlessAborted(asked, signal);
  }

  /** Asks node after node until one has begun the change. */
  async #askUntilBegun(
    call: ChangeCall,
    { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal | undefined },
  ): Promise<string> {
    const { context, backoff } = this.#options;
    const budget = new Backoff(backoff);
    for (;;) {
      const outcome = await this.#attempt(call, { deadline, isWanted: () => signal?.aborted !== true });
      if (outcome.kind === "answered") return fromBinary(ChangeResponseSchema, outcome.response).changeId;
      const { failure, isSent } = outcome;
      if (isSent && !call.isRepeatable && mayHaveBegun(failure)) throw unknownOutcome(failure);
      const verdict = budget.judge(failure);
      if (verdict.kind === "giveUp") throw errorOf(failure);
      if (context.clock.now() + verdict.delayMs >= deadline) throw deadlineError(failure);
      if (verdict.refresh) await context.discovery.tryRefresh();
      await sleep(context.clock, verdict.delayMs);
      signal?.throwIfAborted();
    }
  }

  /** Asks one node, if it answers at all at this moment: what it was never sent has certainly not begun. */
  async #attempt(
    { method, body }: ChangeCall,
    { deadline, isWanted }: { readonly deadline: number; readonly isWanted: () => boolean },
  ): Promise<AttemptOutcome> {
    const { context } = this.#options;
    const address = context.routes.anyNode();
    if (!(await context.discovery.probe(address))) {
      const failure = { kind: "unreachable", message: `${address} does not answer` } as const;
      return { kind: "failed", failure, isSent: false };
    }
    const outcome = await runAttempt(context, {
      target: { address, direct: false },
      path: `/${ClusterService.typeName}/${ClusterService.method[method].name}`,
      body,
      readOnly: false,
      deadline,
      routes: [],
      isWanted,
    });
    return outcome.kind === "failed" ? { ...outcome, isSent: true } : outcome;
  }
}

type AttemptOutcome =
  | Outcome & { readonly kind: "answered" }
  | { readonly kind: "failed"; readonly failure: CallFailure; readonly isSent: boolean };

/** Whether a request that failed so may have been taken up all the same. */
function mayHaveBegun(failure: CallFailure): boolean {
  switch (failure.kind) {
    case "unreachable":
    case "silent":
    case "outcomeUnknown":
    case "deadline":
      return true;
    default:
      return false;
  }
}

function unknownOutcome({ message }: CallFailure): PrkDbError {
  return new PrkDbError("aborted", `The change may have begun, see the cluster's changes: ${message}`);
}

function doneOrThrow(progress: ChangeProgress): ChangeProgress {
  if (progress.error === "") return progress;
  throw new PrkDbError(
    "aborted",
    `Change ${progress.changeId} ended without having been done: ${progress.error}`,
  );
}

function closedError(): PrkDbError {
  return new PrkDbError("closed", "Cannot take on a call: the client has been closed");
}

/** `work`, or the reason of `signal` as soon as it fires. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    stop = () => signal.removeEventListener("abort", abort);
  });
  return await Promise.race([work, aborted]).finally(stop);
}

function encode<I extends DescMessage>(schema: I, init: MessageInitShape<I>): Uint8Array<ArrayBuffer> {
  return toBinary(schema, create(schema, init));
}

function nodeIdOf(nodeId: number, name: string): number {
  return wholeNumber(nodeId, { name, min: 1, max: NODE_ID_MAX });
}

function partitionIdOf(partitionId: number): number {
  return wholeNumber(partitionId, { name: "partitionId", min: 0, max: PARTITION_ID_MAX });
}
