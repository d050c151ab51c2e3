/**
 * Follows the cluster's changes over whichever node answers. A stream that breaks, or has told nothing for a
 * while, is replaced by one to another node: it may be paused, or cut off from the others and no longer hear
 * of anything. What the next node repeats, or does not know yet, is left out.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ClusterService, WatchChangesRequestSchema, WatchChangesResponseSchema } from "../../proto/mod.ts";
import { type AttemptContext, Backoff } from "../pipeline/mod.ts";
import { errorOf, failureOf, onAbort, PrkDbError, sleep, type StreamCaller } from "../transport/mod.ts";

/** Silence after which another node is listened to; replacing a healthy stream costs one request. */
const SILENCE_MS = 5_000;

/** Between two streams of which none has failed. */
const PAUSE_MS = 20;

/** Changes of which the last state is remembered; nodes retain fewer. */
const REMEMBERED_MAX = 10_000;

/** How often in a row nodes may answer "not now" before the watch fails. */
const ATTEMPTS = 3;

const PATH = `/${ClusterService.typeName}/${ClusterService.method.watchChanges.name}`;
const LIST = toBinary(WatchChangesRequestSchema, create(WatchChangesRequestSchema, { once: true }));

/** How far a change is. */
export interface ChangeProgress {
  readonly changeId: string;
  /** For people. */
  readonly description: string;
  /** Steps that are done, of `total` as far as known. */
  readonly done: number;
  readonly total: number;
  readonly isFinished: boolean;
  /** Why it ended without having been carried out; empty otherwise. */
  readonly error: string;
}

/** What a watch works with. */
export interface WatchContext extends AttemptContext {
  readonly streams: StreamCaller;
  /** Numbers in `[0, 1)`. */
  readonly random: () => number;
}

/**
 * Every retained change once, then each again whenever it has gone on; without end.
 *
 * @param changeId of all changes but this one nothing is told; empty for all
 * @throws {PrkDbError} when nodes refuse to be watched, `invalid_argument` when there is no such change
 * @throws the reason of `signal` when it fires
 */
export async function* followChanges(
  context: WatchContext,
  signal: AbortSignal,
  changeId = "",
): AsyncGenerator<ChangeProgress, never> {
  const follow = toBinary(WatchChangesRequestSchema, create(WatchChangesRequestSchema, { changeId }));
  const known = new KnownChanges();
  let backoff = newBackoff(context);
  for (;;) {
    signal.throwIfAborted();
    const address = context.routes.anyNode();
    try {
      for await (const progress of oneStream(context, { address, signal, body: follow })) {
        backoff = newBackoff(context);
        if (known.isNews(progress)) yield progress;
      }
      // It was silent, or has ended by itself: the next one is not asked in the same moment.
      await sleep(context.clock, PAUSE_MS);
    } catch (error) {
      signal.throwIfAborted();
      await recover(context, { address, error, backoff });
    }
  }
}

/**
 * The changes that the next node retains, oldest first.
 *
 * @throws {PrkDbError} when nodes refuse to tell
 * @throws the reason of `signal` when it fires
 */
export async function listChanges(
  context: WatchContext,
  signal: AbortSignal,
): Promise<readonly ChangeProgress[]> {
  const backoff = newBackoff(context);
  for (;;) {
    signal.throwIfAborted();
    const address = context.routes.anyNode();
    try {
      const changes: ChangeProgress[] = [];
      for await (const change of oneStream(context, { address, signal, body: LIST })) changes.push(change);
      return changes;
    } catch (error) {
      signal.throwIfAborted();
      await recover(context, { address, error, backoff });
    }
  }
}

/** Which stream, and until when. */
interface StreamChoice {
  readonly address: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/** What one node tells, until it ends the stream or has been silent for too long. */
async function* oneStream(
  { streams, clock, routes }: WatchContext,
  { address, body, signal }: StreamChoice,
): AsyncGenerator<ChangeProgress, void> {
  const controller = new AbortController();
  const stop = onAbort(signal, () => controller.abort(signal.reason));
  const { clusterId } = routes;
  const messages = streams.stream({ address, path: PATH, body, clusterId, signal: controller.signal });
  try {
    for (;;) {
      let cancel = () => {};
      const silence = new Promise<undefined>((resolve) => {
        cancel = clock.after(SILENCE_MS, () => resolve(undefined));
      });
      const next = messages.next();
      // What comes of it after the silence is of no interest.
      next.catch(() => {});
      const answer = await Promise.race([next, silence]).finally(() => cancel());
      if (answer === undefined) {
        if (body === LIST) throw new Error(`${address} sent nothing for ${SILENCE_MS} ms`);
        return;
      }
      if (answer.done) return;
      routes.trust(address);
      yield progressOf(answer.value);
    }
  } finally {
    stop();
    controller.abort();
  }
}

/** Why the stream of a node ended, and how patient the watch still is. */
interface FailedStream {
  readonly address: string;
  readonly error: unknown;
  readonly backoff: Backoff;
}

/** Waits before the next node is listened to, or throws what cannot be recovered from. */
async function recover(
  { routes, discovery, clock }: WatchContext,
  { address, error, backoff }: FailedStream,
): Promise<void> {
  const failure = failureOf(error);
  routes.noteFailure(address, failure);
  const verdict = backoff.judge(failure);
  if (verdict.kind === "giveUp") throw errorOf(failure);
  if (verdict.refresh) await discovery.tryRefresh();
  await sleep(clock, verdict.delayMs);
}

function newBackoff({ random }: WatchContext): Backoff {
  return new Backoff({ attempts: ATTEMPTS, random });
}

function progressOf(message: Uint8Array): ChangeProgress {
  const { finished, changeId, description, done, total, error } = fromBinary(
    WatchChangesResponseSchema,
    message,
  );
  return { changeId, description, done, total, isFinished: finished, error };
}

/** The last state of each change that was told. */
class KnownChanges {
  readonly #known = new Map<string, ChangeProgress>();

  /** Whether `progress` differs from what is known and does not go back behind it; takes note of it. */
  isNews(progress: ChangeProgress): boolean {
    const before = this.#known.get(progress.changeId);
    if (before !== undefined && !isLater(progress, before)) return false;
    this.#known.delete(progress.changeId);
    this.#known.set(progress.changeId, progress);
    if (this.#known.size > REMEMBERED_MAX) this.#known.delete(this.#known.keys().next().value!);
    return true;
  }
}

/**
 * A node that lags tells of steps long done: progress is what counts, and a change that has ended stays so.
 */
function isLater(progress: ChangeProgress, before: ChangeProgress): boolean {
  if (before.isFinished) return false;
  if (progress.isFinished) return true;
  if (progress.done !== before.done) return progress.done > before.done;
  return progress.total !== before.total || progress.description !== before.description;
}

/** For a caller that carries no streams. */
export function noStreams(): PrkDbError {
  return new PrkDbError(
    "unimplemented",
    "Cannot watch changes: the client's caller carries no streams. Give it one with a stream method",
  );
}
