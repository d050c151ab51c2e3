/**
 * TODO(header): server/rpc/kv
 *
 * @module
 */

export { kvMethods, kvStreams } from "./service.ts";
