/**
 * Calls to a node in the same process: the services' own methods, without HTTP.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import type { NodeApi } from "../api/mod.ts";
import { clusterMethods } from "./cluster/mod.ts";
import { kvMethods } from "./kv/mod.ts";
import { callOptions, checkCluster, toConnectError } from "./method/mod.ts";

/** One call, encoded. */
export interface LocalCall {
  /** `/prkdb.v1.KvService/Put` and the like. */
  readonly path: string;
  /** The request message in protobuf's binary form. */
  readonly body: Uint8Array;
  /** Milliseconds, 1 or more. */
  readonly timeoutMs: number;
  readonly direct: boolean;
  /** Of the cluster that is meant, empty if the caller does not say. */
  readonly clusterId: string;
}

/**
 * A function that answers calls as `node` would over HTTP, from request bytes to response bytes.
 *
 * Rejects with `ConnectError`, with the same codes and details.
 */
export function createLocalCaller(node: NodeApi): (call: LocalCall) => Promise<Uint8Array> {
  const methods = new Map(
    [...kvMethods(node), ...clusterMethods(node)].map((method) => [method.path, method]),
  );
  return async ({ path, body, timeoutMs, direct, clusterId }) => {
    const method = methods.get(path);
    if (method === undefined) {
      throw new ConnectError(`Cannot call ${path}: this node has no such method`, Code.Unimplemented);
    }
    try {
      checkCluster(clusterId === "" ? null : clusterId, node);
      return await method.answerBytes(body, callOptions({ timeoutMs, direct }));
    } catch (error) {
      throw toConnectError(error);
    }
  };
}
