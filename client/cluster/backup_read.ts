/**
 * Reads what a partition holds from the node that leads it, for backups. Until the state has begun to come
 * another leader is looked for; a stream that breaks off later fails, since what the next leader has are
 * other files: whoever keeps what has come whole asks again for what is missing.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  BackupService,
  ReadPartitionRequestSchema,
  type ReadPartitionResponse,
  ReadPartitionResponseSchema,
} from "../../proto/mod.ts";
import { Backoff } from "../pipeline/mod.ts";
import type { PartitionRoute } from "../routing/mod.ts";
import { errorOf, failureOf, onAbort, PrkDbError, sleep } from "../transport/mod.ts";
import type { WatchContext } from "./change_watch.ts";

/** How long a leader may take to begin, and nothing may come of a stream that has begun. */
const SILENCE_MS = 60_000;
/** How long a leader is looked for. */
const SEARCH_MS = 30_000;
/** How often in a row nodes may answer "not now". */
const ATTEMPTS = 10;
const PATH = `/${BackupService.typeName}/${BackupService.method.readPartition.name}`;

/** A file of a partition's state. */
export interface PartitionFile {
  /** 16 bytes that no other file of any cluster has. */
  readonly identity: Uint8Array;
  readonly bytes: number;
}

/** What a partition holds, piece by piece: the state, its description, files, the end. */
export type PartitionPart =
  | {
    readonly kind: "state";
    readonly clusterId: string;
    readonly partitionId: number;
    readonly partitionCount: number;
    /** Of the last entry that is in it, and its term. */
    readonly index: number;
    readonly term: number;
    readonly descriptionBytes: number;
    /** All of them, those that are not sent too. */
    readonly files: readonly PartitionFile[];
  }
  /** The next bytes of the description, in the format of the nodes' stores. */
  | { readonly kind: "description"; readonly bytes: Uint8Array }
  /** The next bytes of a file, which is told by its position in the state's list, and their CRC-32C. */
  | {
    readonly kind: "filePart";
    readonly file: number;
    readonly offset: number;
    readonly data: Uint8Array;
    readonly crc: number;
  }
  | { readonly kind: "end" };

/** What is read. */
export interface PartitionQuestion {
  readonly partitionId: number;
  /** Identities of files that are not sent. */
  readonly held: readonly Uint8Array[];
  readonly signal: AbortSignal;
}

/**
 * Everything that the partition holds at some moment after the call; the last part is the end.
 *
 * @throws {PrkDbError} when no leader gives it in time, or the stream breaks off
 * @throws the reason of the signal when it fires
 */
export async function* readPartition(
  context: WatchContext,
  question: PartitionQuestion,
): AsyncGenerator<PartitionPart, void> {
  const { clock, discovery, random, routes } = context;
  const { signal } = question;
  const route = routeOf(context, question.partitionId);
  const backoff = new Backoff({ attempts: ATTEMPTS, random });
  const deadline = clock.now() + SEARCH_MS;
  for (;;) {
    signal.throwIfAborted();
    let hasBegun = false;
    const address = route.leaderAddress ?? routes.anyNode();
    try {
      for await (const part of oneStream(context, { ...question, address })) {
        hasBegun = true;
        yield part;
        if (part.kind === "end") return;
      }
      throw new Error(`The stream of ${address} ended early`);
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error);
      routes.noteFailure(address, failure);
      if (failure.kind === "notLeader" && failure.hint !== undefined) routes.learnHint(route, failure.hint);
      const verdict = backoff.judge(failure);
      if (hasBegun || verdict.kind === "giveUp" || clock.now() > deadline) throw errorOf(failure);
      if (verdict.refresh) await discovery.tryRefresh();
      await sleep(clock, verdict.delayMs);
    }
  }
}

function routeOf({ routes: { partitions } }: WatchContext, partitionId: number): PartitionRoute {
  const route = partitions.find((each) => each.partitionId === partitionId);
  if (route !== undefined) return route;
  throw new RangeError(`Cannot read partition ${partitionId}: there are ${partitions.length}, from 0 on`);
}

/** One stream of one node. */
interface PartitionStream extends PartitionQuestion {
  readonly address: string;
}

async function* oneStream(
  { clock, routes, streams }: WatchContext,
  { address, held, partitionId, signal }: PartitionStream,
): AsyncGenerator<PartitionPart, void> {
  const controller = new AbortController();
  const stop = onAbort(signal, () => controller.abort(signal.reason));
  const request = create(ReadPartitionRequestSchema, { partitionId, held: [...held] });
  const body = toBinary(ReadPartitionRequestSchema, request);
  const { clusterId } = routes;
  const messages = streams.stream({ address, path: PATH, body, clusterId, signal: controller.signal });
  try {
    for (;;) {
      const cancel = clock.after(
        SILENCE_MS,
        () => controller.abort(new Error(`${address} has sent nothing for ${SILENCE_MS / 1_000} s`)),
      );
      const next = await messages.next().finally(() => cancel());
      if (next.done) return;
      routes.trust(address);
      yield partOf(fromBinary(ReadPartitionResponseSchema, next.value));
    }
  } finally {
    stop();
    controller.abort();
  }
}

function partOf({ part }: ReadPartitionResponse): PartitionPart {
  switch (part.case) {
    case "state": {
      const { clusterId, descriptionBytes, files, index, partitionCount, partitionId, term } = part.value;
      const each = files.map(({ bytes, identity }) => ({ identity, bytes: Number(bytes) }));
      const base = { clusterId, partitionId, partitionCount, descriptionBytes, files: each };
      return { kind: "state", ...base, index: Number(index), term: Number(term) };
    }
    case "description":
      return { kind: "description", bytes: part.value };
    case "filePart": {
      const { crc, data, file, offset } = part.value;
      return { kind: "filePart", file, offset: Number(offset), data, crc };
    }
    case "end":
      return { kind: "end" };
    default:
      throw new PrkDbError("unimplemented", "Cannot read a part that this version does not know");
  }
}
