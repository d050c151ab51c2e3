/**
 * Changes to the cluster: asked for, watched and waited for. How a change is brought to a node stands in
 * `change_call.ts`, how changes are followed in `change_watch.ts`. And what partitions hold, for backups
 * (`backup_read.ts`).
 *
 * @module
 */

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  AddNodeRequestSchema,
  MoveReplicaRequestSchema,
  NODE_ID_MAX,
  RebalanceRequestSchema,
  RemoveNodeRequestSchema,
  REPLICAS_MAX,
  SetReplicationFactorRequestSchema,
  TransferLeadershipRequestSchema,
} from "../../proto/mod.ts";
import {
  CALL_OPTIONS,
  type CallOptions,
  checkCallOptions,
  describeKind,
  NO_OPTIONS,
  optionNames,
  timeoutOf,
  wholeNumber,
} from "../arguments/mod.ts";
import type { AttemptContext, BackoffOptions } from "../pipeline/mod.ts";
import { closedError, PrkDbError } from "../transport/mod.ts";
import { type PartitionPart, readPartition } from "./backup_read.ts";
import { type Change, requestChange } from "./change_call.ts";
import {
  type ChangeProgress,
  followChanges,
  listChanges,
  noStreams,
  type WatchContext,
} from "./change_watch.ts";

const PARTITION_ID_MAX = 2 ** 32 - 1;

const WATCH_OPTIONS = optionNames<WatchOptions>({ signal: true });
const READ_OPTIONS = optionNames<ReadPartitionOptions>({ held: true, signal: true });
const WAIT_OPTIONS = optionNames<WaitOptions>({ signal: true, timeoutMs: true, onProgress: true });

/** What the client of a cluster is made of. */
export interface ClusterClientOptions {
  readonly context: AttemptContext;
  readonly backoff: BackoffOptions;
  /** Of calls that name no deadline, in milliseconds. */
  readonly timeoutMs: number;
}

/** A node to be taken in. */
export interface NewNode {
  readonly nodeId: number;
  /** Where it serves, `host:port`. */
  readonly address: string;
}

/** A replica to be moved from one node to another. */
export interface ReplicaMove {
  readonly partitionId: number;
  readonly from: number;
  readonly to: number;
}

/** A leadership to be handed to a node that holds a replica. */
export interface LeadershipMove {
  readonly partitionId: number;
  readonly to: number;
}

/** How changes are watched. */
export interface WatchOptions {
  /** Ends the watch with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How what a partition holds is read. */
export interface ReadPartitionOptions {
  /** Identities of files that are not to be sent; none unless given. */
  readonly held?: readonly Uint8Array[] | undefined;
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A time limit under way. */
interface Limit {
  /** Fires when the time has passed. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

/** How a change is waited for. */
export interface WaitOptions {
  /** Ends the wait with its reason; the change goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the wait fails with `deadline_exceeded`, 1 or more; none unless given. */
  readonly timeoutMs?: number | undefined;
  /** Called with every step that is seen, the last one too. */
  readonly onProgress?: (progress: ChangeProgress) => void;
}

/**
 * See the module comment. Changes resolve with the change's id as soon as it has begun. Unless said
 * otherwise, every method rejects with a `PrkDbError` when the cluster could not do what was asked
 * (`invalid_argument` for a change that makes no sense), with `TypeError` or `RangeError` for wrong
 * arguments, and with the reason of its `signal`.
 */
export class ClusterClient {
  readonly #options: ClusterClientOptions;
  readonly #closing = new AbortController();

  /** Use `PrkDbClient.cluster`. */
  constructor(options: ClusterClientOptions) {
    this.#options = options;
  }

  /**
   * Takes the node at `address` (`host:port`) in, and moves replicas and leaders to it until they are even.
   */
  async addNode(
    { nodeId, address }: NewNode,
    options: CallOptions = NO_OPTIONS,
  ): Promise<string> {
    if (typeof address !== "string") {
      throw new TypeError(`Cannot use address: it must be host:port, it is ${describeKind(address)}`);
    }
    const body = encode(AddNodeRequestSchema, { nodeId: nodeIdOf(nodeId, "nodeId"), address });
    return await this.#change({ method: "addNode", body, isRepeatable: true }, options);
  }

  /** Moves everything away from a node and removes it; it need not be running. Its id never comes back. */
  async removeNode(nodeId: number, options: CallOptions = NO_OPTIONS): Promise<string> {
    const body = encode(RemoveNodeRequestSchema, { nodeId: nodeIdOf(nodeId, "nodeId") });
    return await this.#change({ method: "removeNode", body, isRepeatable: false }, options);
  }

  /** Moves one replica of a partition from one node to another. */
  async moveReplica(
    { partitionId, from, to }: ReplicaMove,
    options: CallOptions = NO_OPTIONS,
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
    { partitionId, to }: LeadershipMove,
    options: CallOptions = NO_OPTIONS,
  ): Promise<string> {
    const body = encode(TransferLeadershipRequestSchema, {
      partitionId: partitionIdOf(partitionId),
      toNode: nodeIdOf(to, "to"),
    });
    return await this.#change({ method: "transferLeadership", body, isRepeatable: true }, options);
  }

  /** Makes replicas and leaders even over the nodes. */
  async rebalance(options: CallOptions = NO_OPTIONS): Promise<string> {
    const body = encode(RebalanceRequestSchema, {});
    return await this.#change({ method: "rebalance", body, isRepeatable: true }, options);
  }

  /**
   * Gives every partition `factor` replicas, an odd number from 1 to 15. With fewer nodes the change ends
   * with as many as an odd number of them allows; more come by themselves when nodes join. With a lower
   * factor replicas are given up, and fewer failures are survived, without a question.
   */
  async setReplicationFactor(factor: number, options: CallOptions = NO_OPTIONS): Promise<string> {
    const body = encode(SetReplicationFactorRequestSchema, { factor: factorOf(factor) });
    return await this.#change({ method: "setReplicationFactor", body, isRepeatable: true }, options);
  }

  /**
   * The changes under way and the last finished ones, once each, then every step of them; without end. The
   * newest state of each is certain to come, steps in between may be left out.
   */
  async *watchChanges(options: WatchOptions = NO_OPTIONS): AsyncGenerator<ChangeProgress, never> {
    checkCallOptions(options, WATCH_OPTIONS);
    return yield* followChanges(this.#watchContext(), this.#signalOf(options.signal));
  }

  /** The changes under way and the last finished ones as one of the nodes knows them, oldest first. */
  async changes(options: CallOptions = NO_OPTIONS): Promise<readonly ChangeProgress[]> {
    checkCallOptions(options, CALL_OPTIONS);
    const { timeoutMs, signal } = options;
    const limitMs = timeoutMs === undefined ? this.#options.timeoutMs : timeoutOf(timeoutMs);
    const limit = this.#limit(
      limitMs,
      `No node listed its changes within ${limitMs} ms: try again, or allow more time`,
    );
    try {
      return await listChanges(this.#watchContext(), this.#signalOf(signal, limit.signal));
    } finally {
      limit.stop();
    }
  }

  /**
   * Waits until a change has ended, and returns its last state.
   *
   * @throws {PrkDbError} `aborted` when it ended without having been carried out, `deadline_exceeded` when it
   *   has not ended in time, `invalid_argument` when no change with that id is under way or among the last 64
   *   that have ended
   * @throws {TypeError} when `changeId` is no id
   */
  async waitForChange(
    changeId: string,
    options: WaitOptions = NO_OPTIONS,
  ): Promise<ChangeProgress> {
    checkCallOptions(options, WAIT_OPTIONS);
    const { signal, timeoutMs, onProgress } = options;
    if (typeof changeId !== "string" || changeId === "") {
      throw new TypeError(`Cannot wait for a change: changeId must be its id, it is ${describeId(changeId)}`);
    }
    const limit = timeoutMs === undefined ? undefined : this.#limit(
      wholeNumber(timeoutMs, { name: "timeoutMs", min: 1 }),
      `Change ${changeId} has not ended within ${timeoutMs} ms: it goes on, and can be waited for again`,
    );
    try {
      const end = this.#signalOf(signal, limit?.signal);
      for await (const progress of followChanges(this.#watchContext(), end, changeId)) {
        if (progress.changeId !== changeId) continue;
        onProgress?.(progress);
        if (progress.isFinished) return doneOrThrow(progress);
      }
    } finally {
      limit?.stop();
    }
    throw new Error("a watch without an end has ended");
  }

  /**
   * Everything that a partition holds, from the node that leads it, piece by piece; for backups. All that was
   * acknowledged before the call is in it. A stream that breaks off throws: then everything is asked for
   * again, without the files that have come whole.
   */
  async *readPartition(
    partitionId: number,
    options: ReadPartitionOptions = NO_OPTIONS,
  ): AsyncGenerator<PartitionPart, void> {
    checkCallOptions(options, READ_OPTIONS);
    const { held = [], signal } = options;
    const question = { partitionId: partitionIdOf(partitionId), held, signal: this.#signalOf(signal) };
    yield* readPartition(this.#watchContext(), question);
  }

  /** Ends all watches with the error `closed`. */
  close(): void {
    this.#closing.abort(closedError());
  }

  #watchContext(): WatchContext {
    this.#assertOpen();
    const { context, backoff } = this.#options;
    const { caller } = context;
    if (caller.stream === undefined) throw noStreams();
    return { ...context, streams: { stream: caller.stream.bind(caller) }, random: backoff.random };
  }

  /** Fires with the first of `signals`, and when the client is closed. */
  #signalOf(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
    return AbortSignal.any([this.#closing.signal, ...signals.filter((signal) => signal !== undefined)]);
  }

  /** A signal that fires after `afterMs` milliseconds with a `deadline_exceeded` that says `message`. */
  #limit(afterMs: number, message: string): Limit {
    const controller = new AbortController();
    const stop = this.#options.context.clock.after(
      afterMs,
      () => controller.abort(new PrkDbError("deadline_exceeded", message)),
    );
    return { signal: controller.signal, stop };
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closedError();
  }

  async #change(call: Change, options: CallOptions): Promise<string> {
    checkCallOptions(options, CALL_OPTIONS);
    const { timeoutMs, signal } = options;
    this.#assertOpen();
    signal?.throwIfAborted();
    const limitMs = timeoutMs === undefined ? this.#options.timeoutMs : timeoutOf(timeoutMs);
    return await requestChange(this.#options, { ...call, timeoutMs: limitMs, signal });
  }
}

function describeId(changeId: unknown): string {
  return changeId === "" ? "empty" : describeKind(changeId);
}

function doneOrThrow(progress: ChangeProgress): ChangeProgress {
  if (progress.error === "") return progress;
  throw new PrkDbError(
    "aborted",
    `Change ${progress.changeId} was not carried out: ${progress.error}`,
  );
}

function encode<I extends DescMessage>(schema: I, init: MessageInitShape<I>): Uint8Array<ArrayBuffer> {
  return toBinary(schema, create(schema, init));
}

function nodeIdOf(nodeId: number, name: string): number {
  return wholeNumber(nodeId, { name, min: 1, max: NODE_ID_MAX });
}

function factorOf(factor: number): number {
  const whole = wholeNumber(factor, { name: "factor", min: 1, max: REPLICAS_MAX });
  if (whole % 2 === 1) return whole;
  throw new RangeError(
    `Cannot use factor: it must be odd, it is ${whole}; ${whole} replicas survive no more failures than ${
      whole - 1
    }`,
  );
}

function partitionIdOf(partitionId: number): number {
  return wholeNumber(partitionId, { name: "partitionId", min: 0, max: PARTITION_ID_MAX });
}
