/**
 * TODO(header): server/ports
 *
 * @module
 */

export { Outbox } from "./outbox.ts";
export type { ForwardedCall, ForwardedReply, Leadership, PeerBatch, PeerHello } from "./peer_batch.ts";
export type { Clock, PeerInbox, PeerInput, PeerTransport, Timer } from "./ports.ts";
export { SYSTEM_CLOCK } from "./system_clock.ts";
