/**
 * `WatchChanges`: a stream of every change the node retains once, then each again whenever it differs from
 * what was sent of it last.
 *
 * Nothing is queued for a reader: what to send next is found when it has taken the last message. So a slow
 * one misses steps and never the newest state, and costs the node no more than one state of each change.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { ClusterService, type WatchChangesResponseSchema } from "../../../proto/mod.ts";
import { DomainError, invalidArgument, type NodeApi } from "../../api/mod.ts";
import { type ClusterChange, FINISHED_CHANGES_MAX } from "../../cluster/mod.ts";
import { defineStream } from "../method/mod.ts";

/** Callers that may watch one node at a time: operators and their tools, not every client. */
export const CHANGE_WATCHERS_MAX = 1_000;
/** How long one question lasts whether this node knows all of the cluster, and how long until the next. */
const REFRESH_MS = 5_000;
const REFRESH_PAUSE_MS = 200;

/** See the module comment. */
export const watchChangesStream = defineStream({
  desc: ClusterService.method.watchChanges,
  answer: (node) => {
    let watchers = 0;
    return async function* ({ once, changeId }, signal) {
      if (watchers >= CHANGE_WATCHERS_MAX) throw tooManyWatchers();
      watchers++;
      try {
        yield* news(node, { signal, once, changeId });
      } finally {
        watchers--;
      }
    };
  },
  reply: toWatchChangesResponse,
});

/** When a stream ends. */
interface NewsOptions {
  readonly signal: AbortSignal;
  /** With the last of what is known when it begins. */
  readonly once: boolean;
  /** Of all changes if it is empty; else with the end of this one. */
  readonly changeId: string;
}

/** What has not been sent yet; ends when `signal` fires, or with `once` when nothing is left. */
async function* news(
  node: NodeApi,
  { signal, once, changeId }: NewsOptions,
): AsyncGenerator<ClusterChange, void> {
  const sent = new Map<string, ClusterChange>();
  const bell = new Bell(signal);
  const stopListening = node.onClusterChange(() => bell.ring());
  const freshness = new Freshness(node, { signal, onFresh: () => bell.ring() });
  const isWanted = (change: ClusterChange) => changeId === "" || change.changeId === changeId;
  try {
    while (!signal.aborted) {
      const retained = node.clusterChanges().filter(isWanted);
      const next = retained.find((change) => isNews(change, sent.get(change.changeId)));
      if (next !== undefined) {
        sent.set(next.changeId, next);
        yield next;
        if (changeId !== "" && next.isFinished) return;
        continue;
      }
      if (once) return;
      if (changeId !== "" && retained.length === 0) {
        if (freshness.isFresh) throw noSuchChange(changeId);
        freshness.want();
      }
      forgetOthers(sent, retained);
      await bell.rung();
    }
  } finally {
    stopListening();
    bell.close();
  }
}

/** What a freshness needs besides the node. */
interface FreshnessOptions {
  readonly signal: AbortSignal;
  readonly onFresh: () => void;
}

/**
 * Whether the node knows all that was committed when the stream began: one that lags, or is cut off, may not
 * have heard yet of a change that has begun.
 */
class Freshness {
  readonly #node: NodeApi;
  readonly #options: FreshnessOptions;
  #isWanted = false;
  isFresh = false;

  constructor(node: NodeApi, options: FreshnessOptions) {
    this.#node = node;
    this.#options = options;
  }

  /** Begins to ask, unless that has been done. */
  want(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    void this.#ask();
  }

  async #ask(): Promise<void> {
    const { signal, onFresh } = this.#options;
    while (!signal.aborted) {
      this.isFresh = await this.#node.refreshCluster({ timeoutMs: REFRESH_MS });
      if (this.isFresh) return onFresh();
      await new Promise((resolve) => setTimeout(resolve, REFRESH_PAUSE_MS));
    }
  }
}

function noSuchChange(changeId: string): DomainError {
  return invalidArgument(
    `Cannot watch change "${changeId}": none with this id is under way or among the last ` +
      `${FINISHED_CHANGES_MAX} that have ended; check it: it is the id that the request for the change was ` +
      'answered with, such as "2-1f3a9c4e-1"',
  );
}

/** Rings for news and for the end; what rang before somebody waited is not lost. */
class Bell {
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.ring();
  #hasRung = false;
  #wake: (() => void) | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  async rung(): Promise<void> {
    if (!this.#hasRung) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#hasRung = false;
    this.#wake = undefined;
  }

  close(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }
}

function isNews(change: ClusterChange, sent: ClusterChange | undefined): boolean {
  return sent === undefined || change.done !== sent.done || change.total !== sent.total ||
    change.isFinished !== sent.isFinished || change.error !== sent.error ||
    change.description !== sent.description;
}

/** What the node has let go cannot change any more, and must not be kept here. */
function forgetOthers(sent: Map<string, ClusterChange>, retained: readonly ClusterChange[]): void {
  if (sent.size === retained.length) return;
  const ids = new Set(retained.map(({ changeId }) => changeId));
  for (const changeId of sent.keys()) if (!ids.has(changeId)) sent.delete(changeId);
}

function toWatchChangesResponse(change: ClusterChange): MessageInitShape<typeof WatchChangesResponseSchema> {
  const { changeId, description, done, total, isFinished, error } = change;
  return { changeId, description, done, total, finished: isFinished, error };
}

function tooManyWatchers(): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `Cannot watch changes: ${CHANGE_WATCHERS_MAX} callers watch this node already, which is the limit ` +
      "(CHANGE_WATCHERS_MAX): watch another node",
    "watchers_full",
  );
}
