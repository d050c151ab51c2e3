/**
 * All that a node serves to clients, in whatever protocol.
 *
 * @module
 */

import type { NodeApi } from "../api/mod.ts";
import { backupStreams } from "./backup/mod.ts";
import { clusterMethods, clusterStreams } from "./cluster/mod.ts";
import { kvMethods, kvStreams } from "./kv/mod.ts";
import type { ServedMethods } from "./method/mod.ts";

/** The methods of all services, served by `node`. To be made once: they count their callers. */
export function servedMethods(node: NodeApi): ServedMethods {
  return {
    unary: [...kvMethods(node), ...clusterMethods(node)],
    streams: [...kvStreams(node), ...clusterStreams(node), ...backupStreams(node)],
  };
}
