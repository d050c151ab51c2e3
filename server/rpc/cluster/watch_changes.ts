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
import { DomainError, type NodeApi } from "../../api/mod.ts";
import type { ClusterChange } from "../../cluster/mod.ts";
import { defineStream } from "../method/mod.ts";

/** Callers that may watch one node at a time: operators and their tools, not every client. */
export const CHANGE_WATCHERS_MAX = 1_000;

/** See the module comment. */
export const watchChangesStream = defineStream({
  desc: ClusterService.method.watchChanges,
  answer: (node) => {
    let watchers = 0;
    return async function* ({ once }, signal) {
      if (watchers >= CHANGE_WATCHERS_MAX) throw tooManyWatchers();
      watchers++;
      try {
        yield* news(node, { signal, once });
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
}

/** What has not been sent yet; ends when `signal` fires, or with `once` when nothing is left. */
async function* news(
  node: NodeApi,
  { signal, once }: NewsOptions,
): AsyncGenerator<ClusterChange, void> {
  const sent = new Map<string, ClusterChange>();
  const bell = new Bell(signal);
  const stopListening = node.onClusterChange(() => bell.ring());
  try {
    while (!signal.aborted) {
      const retained = node.clusterChanges();
      const next = retained.find((change) => isNews(change, sent.get(change.changeId)));
      if (next === undefined) {
        if (once) return;
        forgetOthers(sent, retained);
        await bell.rung();
      } else {
        sent.set(next.changeId, next);
        yield next;
      }
    }
  } finally {
    stopListening();
    bell.close();
  }
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
