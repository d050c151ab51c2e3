/**
 * Asks a node about itself.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ClusterService, GetStatusRequestSchema, GetStatusResponseSchema } from "../../proto/mod.ts";
import { errorOf, failureOf, STARTING_WORDS, type UnaryCaller } from "../transport/mod.ts";
import { type NodeView, nodeViewOf } from "./cluster_view.ts";

/** A node that has not described itself by then is reported as silent. */
const ANSWER_LIMIT_MS = 2_000;

const PATH = `/${ClusterService.typeName}/${ClusterService.method.getStatus.name}`;
const REQUEST = toBinary(GetStatusRequestSchema, create(GetStatusRequestSchema));

/** What asking one node came to. */
export type NodeReport =
  | { readonly kind: "answered"; readonly address: string; readonly node: NodeView }
  | {
    readonly kind: "failed";
    readonly address: string;
    readonly message: string;
    /** The node is there, and recovers its log or joins; it answers nothing else before it has. */
    readonly isStarting?: true;
  };

/** How a node is asked. */
export interface Question {
  readonly caller: UnaryCaller;
  /** Of the cluster that is meant. */
  readonly clusterId: string;
  /** Milliseconds; two seconds are enough in any case. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What the node at `address` says about itself. Rejects only when `signal` fires. */
export async function askStatus(
  address: string,
  { caller, clusterId, timeoutMs, signal }: Question,
): Promise<NodeReport> {
  const limitMs = Math.min(timeoutMs, ANSWER_LIMIT_MS);
  const limit = AbortSignal.timeout(limitMs);
  try {
    const response = await caller.call({
      address,
      path: PATH,
      body: REQUEST,
      timeoutMs: limitMs,
      direct: true,
      clusterId,
      readOnly: true,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return { kind: "answered", address, node: nodeViewOf(fromBinary(GetStatusResponseSchema, response)) };
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.aborted) return { kind: "failed", address, message: `no answer within ${limitMs} ms` };
    const { message } = errorOf(failureOf(error));
    if (message === STARTING_WORDS) return { kind: "failed", address, message, isStarting: true };
    return { kind: "failed", address, message };
  }
}
