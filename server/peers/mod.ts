/**
 * The streams between nodes: how the batches of a turn get from one node to another. `ports/` says what is
 * exchanged, this room how.
 *
 * **What it owns.** One outgoing TCP connection per peer with a queue of at most 64 MiB, and the reader of
 * one incoming stream per peer; the timers for connecting again, for keep-alives and for noticing silence;
 * and the bytes of `prkdb.v1.RaftService/Deliver` (`proto/prkdb/v1/raft.proto`). Nothing on disk: which data
 * directory a peer had is remembered in `data/`.
 *
 * **How a batch travels.** Each node opens one stream to each peer: an ordinary Connect client-streaming
 * call, written by hand over a TCP connection with Nagle's algorithm off. Its first message is a hello with
 * the cluster's id, both node ids, and the incarnations of both data directories. After that it carries one
 * batch per turn. Answers travel on the peer's own stream. A stream that began before the sender knew the
 * cluster's whole id is opened anew when it does (`docs/decisions/0022-…`).
 *
 * ```
 * turn ─▶ StreamTransport.send ─▶ PeerLink: queue, one write for all that waits ═▶ TCP
 * TCP ═▶ RaftService.deliver: hello checked once, then batch by batch ─▶ the node's inbox
 * ```
 *
 * **Read in this order.** `envelope.ts`: messages in a byte stream. `codec.ts`, with `forward_codec.ts` and
 * `heartbeat_codec.ts`: batches as bytes. `link.ts`: one outgoing stream, its queue and its life.
 * `transport.ts`: the links to all peers, and how silence is noticed. `service.ts`: incoming streams, and
 * which are let in. `who_is.ts`: a question to an address that may be anybody's.
 *
 * What this room has to ask the node is one small interface, `PeerHost`: whether the sender of a hello is a
 * peer, and whether its directory is the known one. What arrives and what breaks goes into the node's inbox.
 *
 * **What it never does.** It never blocks a turn: what does not fit the queue is refused and the sender told.
 * It repairs no loss and keeps no batch for later: consensus and forwarding do. It does not interpret what it
 * carries, and does not decide which nodes are members. It does not authenticate: a node that reaches the
 * port and knows the cluster's id is believed (`docs/open-work.md`).
 *
 * **Invariants**
 *
 * - Batches to one peer arrive in the order in which they were sent, with gaps only where a stream broke or
 *   its queue was full.
 * - Nothing of a peer is believed before its hello is: right cluster, right ids, the directory it had when
 *   first met.
 * - One incoming stream per peer counts, the newest; when it ends, the node is told that its peer is lost.
 * - A peer may be at several addresses; where one does not lead to it, the next is tried.
 * - A peer that was not heard for three election timeouts is taken for gone, and its stream opened anew.
 * - A removed node is told so when it connects, and a node with a lost disk learns it from its peers' hellos,
 *   so that both can stop.
 * - Messages are bounded before they are read: 4 KiB for a hello, 256 MiB for a batch.
 *
 * @module
 */

export { type PeerHost, PeerService } from "./service.ts";
export { StreamTransport } from "./transport.ts";
