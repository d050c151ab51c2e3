/**
 * TODO(header): server/node
 *
 * @module
 */

export { Inbox } from "./inbox.ts";
export { Node, type NodeOptions, type Readiness } from "./node.ts";
export type { LoopMeters } from "./node_loop.ts";
