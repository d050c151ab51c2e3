/**
 * TODO(header): server/rpc/cluster
 *
 * @module
 */

export { clusterMethods } from "./service.ts";
export { changeWatch } from "./watch_changes.ts";
