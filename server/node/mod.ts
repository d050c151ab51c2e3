/**
 * TODO(header): server/node
 *
 * @module
 */

export { Inbox } from "./inbox.ts";
export { Node, type NodeOptions } from "./node.ts";
export type { LoopMeters, NodeEnd } from "./node_loop.ts";
export type { Readiness } from "./node_status.ts";
