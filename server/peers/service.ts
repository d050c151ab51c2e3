/**
 * The receiving end of the peers' streams: one long request body per peer, cut into batches that go to the
 * node's inbox, chunk by chunk. While too much waits there nothing more is read, and the peers feel it. What
 * has arrived is answered on the same call (`peer_stream.ts`), whose response begins before the request has
 * ended.
 *
 * A peer that opens a second stream ends its first one, which was lost on its side.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { type ClusterId, type Identity, isUndrawn, type PeerIdentities } from "../data/mod.ts";
import type { AnswerStream, BodySink, RequestHead, StreamHandler } from "../http/mod.ts";
import type { PeerHello, PeerInbox } from "../ports/mod.ts";
import { type SnapshotHost, SnapshotService } from "../snapshot/mod.ts";
import { decodePeerBatch } from "./codec.ts";
import { ownBatch } from "./owned.ts";
import { PeerAnswers, PeerStream, RemovedPeerError } from "./peer_stream.ts";
import { PEER_PROTOCOL_VERSION } from "./transport.ts";

/** More inputs than this waiting: peers are read from again when the loop has caught up. */
const INBOX_INPUTS_MAX = 20_000;
const ROOM_CHECK_MS = 5;

/** The node behind the service. */
export interface PeerHost extends SnapshotHost {
  /** Peer `by` knows this node with another data directory: this one must not go on. */
  takeIdentityMismatch(by: NodeId): void;
}

/** What the service works with. */
export interface PeerServiceOptions {
  readonly host: PeerHost;
  readonly identity: Identity;
  readonly clusterId: ClusterId;
  /** The data directories that the peers had when they were first met. */
  readonly identities: PeerIdentities;
  readonly inbox: PeerInbox;
  /** Least time between two answers on a stream; a heartbeat. */
  readonly answerIntervalMs: number;
}

/** See the module comment. */
export class PeerService implements StreamHandler {
  readonly kind = "stream";
  readonly isPatient = true;
  /** Answers `POST /prkdb.v1.RaftService/ReadSnapshot`, whether or not the peer has a stream to here. */
  readonly snapshots: SnapshotService;
  readonly #options: PeerServiceOptions;
  readonly #streams = new Map<NodeId, PeerStream>();
  #isClosed = false;

  constructor(options: PeerServiceOptions) {
    this.#options = options;
    const { host, identity: { nodeId }, clusterId } = options;
    this.snapshots = new SnapshotService(() => ({
      host,
      nodeId,
      clusterId,
    }));
  }

  /** Answers `POST /prkdb.v1.RaftService/Deliver`: takes batches until the stream ends. */
  open(_: RequestHead, answer: AnswerStream): BodySink {
    const answers = new PeerAnswers(answer, this.#options.answerIntervalMs);
    const stream: PeerStream = new PeerStream(answers, {
      greet: (message) => this.#greet(message, stream),
      take: (message, from) => this.#take(message, from),
      room: () => this.#isInboxFull ? this.#untilRoom() : undefined,
      forget: () => this.#forget(stream),
    });
    return stream;
  }

  /**
   * The cluster is another one now: ends the streams of nodes that it has removed, and tells them why. One
   * that was removed before its peers had brought it anything has nothing to say, and would wait for ever.
   */
  endRemoved(): void {
    for (const [from, stream] of [...this.#streams]) {
      if (this.#options.host.hasRemoved(from)) stream.close(removedError(from));
    }
  }

  /** Ends all streams. */
  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  get #isInboxFull(): boolean {
    return this.#options.inbox.size > INBOX_INPUTS_MAX;
  }

  async #untilRoom(): Promise<void> {
    while (this.#isInboxFull && !this.#isClosed) {
      await new Promise((resolve) => setTimeout(resolve, ROOM_CHECK_MS));
    }
  }

  #take(message: Uint8Array, from: NodeId): void {
    const { identity, inbox } = this.#options;
    const { batch } = decodePeerBatch(message, { from, to: identity.nodeId });
    inbox.push({ kind: "peerBatch", from, batch: ownBatch(batch, message) });
  }

  async #greet(message: Uint8Array, stream: PeerStream): Promise<NodeId> {
    const { clusterId, host, identity: { nodeId }, inbox } = this.#options;
    const { hello } = decodePeerBatch(message, { from: 0, to: nodeId });
    if (hello === undefined) throw new RangeError("Cannot deliver: the first message has no hello");
    if (clusterId.matches(hello.clusterId) && host.hasRemoved(hello.fromNode)) {
      throw removedError(hello.fromNode);
    }
    const problem = this.#problemWith(hello) ?? await this.#problemWithDirectories(hello);
    if (problem !== undefined) throw new RangeError(`Cannot deliver: ${problem}`);
    // Before anything that it says is believed, this node is bound to the same cluster.
    if (!isUndrawn(hello.clusterId)) await clusterId.settle(hello.clusterId);
    // All that took time, in which the node may have stopped, the stream ended, or the peer been removed.
    if (this.#isClosed || stream.isOver) throw new RangeError("Cannot deliver: the stream has ended");
    if (host.hasRemoved(hello.fromNode)) throw removedError(hello.fromNode);
    // What the peer had to say while it had no stream to here was dropped, answers to passed calls among it.
    const replaced = this.#streams.get(hello.fromNode);
    if (replaced === undefined) inbox.push({ kind: "peerLost", peer: hello.fromNode });
    else {
      this.#forget(replaced);
      replaced.close();
    }
    this.#streams.set(hello.fromNode, stream);
    return hello.fromNode;
  }

  async #problemWithDirectories(hello: PeerHello): Promise<string | undefined> {
    const { host, identities, identity } = this.#options;
    const { expectedIncarnation, fromNode } = hello;
    if (expectedIncarnation !== "" && expectedIncarnation !== identity.incarnation) {
      host.takeIdentityMismatch(fromNode);
      return `this is not the data directory that node ${fromNode} knows`;
    }
    if (await identities.recognizes(fromNode, hello.incarnation)) return undefined;
    return `node ${fromNode} has another data directory than it had: it must not come back under its old id`;
  }

  /** Only the newest stream of a peer speaks for it. */
  #forget(stream: PeerStream): void {
    for (const [from, current] of this.#streams) {
      if (current !== stream) continue;
      this.#streams.delete(from);
      this.#options.inbox.push({ kind: "peerLost", peer: from });
    }
  }

  #problemWith(hello: PeerHello): string | undefined {
    const { clusterId, host, identity: { nodeId } } = this.#options;
    if (hello.protocolVersion < 1) {
      return `protocol version ${hello.protocolVersion} is not ${PEER_PROTOCOL_VERSION}`;
    }
    if (!clusterId.matches(hello.clusterId)) {
      return `this is cluster ${clusterId.value}, not ${hello.clusterId}`;
    }
    if (hello.toNode !== nodeId) return `this is node ${nodeId}, not ${hello.toNode}`;
    const distrust = host.distrustOf(hello.fromNode);
    if (distrust !== undefined) return `node ${hello.fromNode} is not believed any more: ${distrust}`;
    if (!host.admits(hello.fromNode, hello.address)) return `node ${hello.fromNode} is not in this cluster`;
    return undefined;
  }
}

function removedError(peer: NodeId): RemovedPeerError {
  return new RemovedPeerError(`Cannot deliver: node ${peer} was removed from this cluster`);
}
