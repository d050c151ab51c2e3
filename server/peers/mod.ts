/**
 * TODO(header): server/peers
 *
 * @module
 */

export { type PeerHost, PeerService } from "./service.ts";
export { StreamTransport } from "./transport.ts";
