/**
 * The streams between nodes: how the batches of a turn get from one node to another. `ports/` says what is
 * exchanged, this room how.
 *
 * **What it owns.** One outgoing TCP connection per peer with a queue of at most 64 MiB, and one incoming
 * stream per peer, whose chunks `http/` hands in; the timers for connecting again, for keep-alives, for
 * answers and for judging streams; and the bytes of `prkdb.v1.RaftService/Deliver`
 * (`proto/prkdb/v1/raft.proto`). Nothing on disk: which data directory a peer had is remembered in `data/`.
 *
 * **How a batch travels.** Each node opens one stream to each peer: an ordinary Connect streaming call,
 * written by hand over a TCP connection with Nagle's algorithm off. Its first message is a hello with the
 * cluster's id, both node ids, and the incarnations of both data directories. Once that is answered it
 * carries one batch per turn. What the peer has to say travels on its own stream; the answers on this one say
 * what has arrived, and a stream is judged by them (`docs/decisions/0020-…`). A stream that began before the
 * sender knew the cluster's whole id is opened anew when it does (`docs/decisions/0022-…`).
 *
 * ```
 * turn ─▶ StreamTransport.send ─▶ PeerLink: queue, one write for all that waits ═▶ TCP
 * TCP ═▶ PeerService.open ─▶ PeerStream: hello checked once, then batch by batch ─▶ the node's inbox
 *        PeerAnswers: so much has arrived ═▶ TCP ═▶ AnswerReader ─▶ AnswerWatch of the PeerLink
 * ```
 *
 * **Read in this order.** `envelope.ts`: messages in a byte stream. `codec.ts`, with `forward_codec.ts` and
 * `heartbeat_codec.ts`: batches as bytes. `answer_codec.ts`, `answer_reader.ts`: answers as bytes, and out of
 * them. `answer_watch.ts`: when a stream is given up. `link.ts`: one outgoing stream, its queue and its life.
 * `transport.ts`: the links to all peers. `peer_stream.ts`, `service.ts`: incoming streams, which are let
 * in, and what is answered. `who_is.ts`: a question to an address that may be anybody's.
 *
 * Snapshots pass by: `server/snapshot` carries them in calls of their own, to the addresses that this room
 * knows, and lets those in whom the node admits.
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
 * - A stream whose batches are not answered within an election timeout is given up, and a new one opened over
 *   a new connection.
 * - A peer may be at several addresses; where one does not lead to it, the next is tried.
 * - A node that has lost what it promised to this one is not let in any more (`docs/decisions/0016-…`).
 * - A removed node is told so when it connects, and a node with a lost disk learns it from its peers' hellos,
 *   so that both can stop.
 * - Messages are bounded before they are read: 4 KiB for a hello, 256 MiB for a batch.
 *
 * @module
 */

export { answerLimitMs } from "./answer_watch.ts";
export { type PeerHost, PeerService } from "./service.ts";
export { StreamTransport } from "./transport.ts";
