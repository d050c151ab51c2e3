/**
 * All that speaks Connect: the services clients call, and the streams between nodes.
 *
 * @module
 */

export { createHttpHandler } from "./http.ts";
export type { HttpHandlerOptions } from "./http.ts";
export { createLocalCaller } from "./local_caller.ts";
export type { LocalCall } from "./local_caller.ts";
export { parseAddress, StreamTransport } from "./peer_transport.ts";
export type { PeerEvent, StreamTransportOptions } from "./peer_transport.ts";
export { RaftService } from "./raft_service.ts";
export type { RaftServiceOptions } from "./raft_service.ts";
