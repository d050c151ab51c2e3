/**
 * TODO(header): server/peers
 *
 * @module
 */

export { RaftService } from "./service.ts";
export { type PeerEvent, StreamTransport } from "./transport.ts";
