/**
 * All that speaks Connect: the services clients call, and the streams between nodes.
 *
 * @module
 */

export { createHttpHandler } from "./http.ts";
export { createLocalCaller, type LocalCall } from "./local_caller.ts";
