/**
 * The ways the outside world enters a node, as interfaces: time (`Clock`), the other nodes (`PeerTransport`),
 * the disk (`FileSystem` of `wal-wasm`) and chance (a seed, which needs no interface). The simulator replaces
 * these and nothing else, so that it runs the real loop, log, recovery and calls.
 *
 * **What it owns.** Interfaces and the data that passes them, and the two things that are too small for a
 * room of their own: the machine's clock, and the outbox in which a turn gathers what it has for each peer.
 * No files, no sockets; the outbox holds no longer than a turn what it was given.
 *
 * **Read in this order.** `ports.ts`: the interfaces, with what each promises and what it does not.
 * `peer_batch.ts`: what one node tells another in one turn: Raft messages, forwarded calls, their replies,
 * and the groups that the sender leads; and the hello that opens a stream. `snapshot_exchange.ts`: what
 * travels beside the batches when a snapshot does. `outbox.ts`: from many messages to one batch per peer.
 * `system_clock.ts`: time in production.
 *
 * **What it never does.** It does not encode (`peers/` is the border with bytes), connect, retry or log. No
 * port offers more than the node needs: a method that only a test would call does not belong here.
 *
 * **What may be relied on**
 *
 * - `Clock.monotonicMs` never goes back, but may jump ahead when the process was paused; `wallMs` may jump
 *   both ways. No callback of the clock runs inside the call that asks for it.
 * - `PeerTransport.send` never waits and never throws. A batch may be lost, and several to the same peer keep
 *   their order; `false` means that it certainly did not leave. Nothing is promised about when it arrives.
 * - `PeerTransport.askSnapshot` never holds up what is sent, and settles within some seconds. What is asked
 *   may have arrived when it rejects.
 * - No port calls into the node: what peers send is pushed into its inbox and waits for the next turn.
 * - One conformance suite runs against the real and the simulated disk, so that the simulator is no kinder
 *   than the machine.
 *
 * **Invariants of the outbox**
 *
 * - At most one batch per peer and flush, peers in ascending order of their ids, so that a simulated run
 *   repeats.
 * - Messages to a peer leave in the order in which they were added.
 * - Calls that certainly did not leave come back to the caller of `flush`; everything else that is lost,
 *   consensus or the caller's deadline repairs.
 *
 * @module
 */

export { Outbox } from "./outbox.ts";
export type { ForwardedCall, ForwardedReply, Leadership, PeerBatch, PeerHello } from "./peer_batch.ts";
export type { Answerer, Clock, PeerInbox, PeerInput, PeerTransport, Timer } from "./ports.ts";
export type { SnapshotAnswer, SnapshotRequest } from "./snapshot_exchange.ts";
export { SYSTEM_CLOCK } from "./system_clock.ts";
