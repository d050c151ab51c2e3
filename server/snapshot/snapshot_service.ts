/**
 * The way in: `POST /prkdb.v1.RaftService/ReadSnapshot`, one request and one answer, both whole. Who asks is
 * judged by every request anew; what is asked is answered by the node.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { RequestHead, WholeAnswer, WholeHandler } from "../http/mod.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import { decodeSnapshotCall, encodeSnapshotAnswer, type SnapshotEnvelope } from "./snapshot_codec.ts";

/** The cluster that a node belongs to. */
export interface KnownCluster {
  readonly value: string;
  /** Whether all of it is known. */
  readonly isSettled: boolean;
  /** Whether a node that says `id` may be of this cluster, as far as can be known. */
  matches(id: string): boolean;
}

/** Where a node is asked for snapshots. */
export const SNAPSHOT_PATH = "/prkdb.v1.RaftService/ReadSnapshot";
/** Of requests and answers. */
export const SNAPSHOT_TYPE = "application/proto";

/** Ids and an address. */
const CALL_BYTES_MAX = 4 * 1024;

/** The node behind the service: whom it lets in, and what it answers. */
export interface SnapshotHost {
  /** Whether a node that says it serves at `address` is a peer. */
  admits(id: NodeId, address: string): boolean;
  /** Whether the node was a member once and never will be again. */
  hasRemoved(id: NodeId): boolean;
  /** Why nothing of what the node says is believed, `undefined` if it is. */
  distrustOf(id: NodeId): string | undefined;
  /** Answers a peer. Without it there are no snapshots here. */
  answerSnapshot?(from: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer>;
}

/** Whom requests must be meant for. */
export interface SnapshotPlace {
  readonly host: SnapshotHost;
  readonly nodeId: NodeId;
  readonly clusterId: KnownCluster;
}

/**
 * From a request to its answer, both as bytes.
 *
 * @throws {RangeError} when the bytes are no request
 */
export async function answerSnapshotCall(
  bytes: Uint8Array,
  place: SnapshotPlace,
): Promise<Uint8Array<ArrayBuffer>> {
  const call = decodeSnapshotCall(bytes);
  const problem = problemWith(call, place);
  if (problem !== undefined) return encodeSnapshotAnswer({ kind: "refused", reason: problem, isGone: false });
  return encodeSnapshotAnswer(await answerOf(call, place.host));
}

function problemWith(
  { clusterId, from, to, address }: SnapshotEnvelope,
  { host, ...here }: SnapshotPlace,
): string | undefined {
  if (!here.clusterId.isSettled) return "this node does not know its cluster yet";
  // One that has not heard of the founding may be told of it by a snapshot first.
  if (!here.clusterId.matches(clusterId)) return `this is cluster ${here.clusterId.value}, not ${clusterId}`;
  if (to !== here.nodeId) return `this is node ${here.nodeId}, not ${to}`;
  if (host.hasRemoved(from)) return `node ${from} was removed from this cluster`;
  const distrust = host.distrustOf(from);
  if (distrust !== undefined) return `node ${from} is not believed any more: ${distrust}`;
  return host.admits(from, address) ? undefined : `node ${from} is not in this cluster`;
}

async function answerOf({ from, request }: SnapshotEnvelope, host: SnapshotHost): Promise<SnapshotAnswer> {
  const answer = host.answerSnapshot?.(from, request);
  return await answer ?? { kind: "refused", reason: "there are no snapshots here", isGone: false };
}

/** See the module comment. */
export class SnapshotService implements WholeHandler {
  readonly kind = "whole";
  readonly label = { route: SNAPSHOT_PATH };
  readonly bodyLimitBytes = CALL_BYTES_MAX;
  readonly #place: () => SnapshotPlace;

  /** @param place asked for every request: the cluster's id becomes known */
  constructor(place: () => SnapshotPlace) {
    this.#place = place;
  }

  async answer(_: RequestHead, body: Uint8Array): Promise<WholeAnswer> {
    try {
      const answer = await answerSnapshotCall(body, this.#place());
      return { status: 200, headers: [["content-type", SNAPSHOT_TYPE]], body: answer };
    } catch (error) {
      const status = error instanceof RangeError ? 400 : 500;
      return textAnswer(status, error instanceof Error ? error.message : String(error));
    }
  }

  refuse(): WholeAnswer {
    return textAnswer(413, `a request for a snapshot has at most ${CALL_BYTES_MAX} bytes`);
  }
}

function textAnswer(status: number, text: string): WholeAnswer {
  const headers = [["content-type", "text/plain; charset=utf-8"]] as const;
  return { status, headers, body: new TextEncoder().encode(`${text}\n`) };
}
