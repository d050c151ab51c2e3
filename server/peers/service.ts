/**
 * The receiving end of the peers' streams: one long request body per peer, cut into batches that go to the
 * node's inbox. While too much waits there nothing more is read, and the peers feel it. What has arrived is
 * answered on the same call (`answer_stream.ts`), whose response begins before the request has ended.
 *
 * A peer that opens a second stream ends its first one, which was lost on its side.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import { type ClusterId, type Identity, isUndrawn, type PeerIdentities } from "../data/mod.ts";
import type { PeerHello, PeerInbox } from "../ports/mod.ts";
import type { StreamRefusal } from "./answer_codec.ts";
import { AnswerStream } from "./answer_stream.ts";
import { decodePeerBatch } from "./codec.ts";
import { EnvelopeReader } from "./envelope.ts";
import { ownBatch } from "./owned.ts";
import { PEER_PROTOCOL_VERSION } from "./transport.ts";

/** Above the bounds of everything a turn can hold for one peer. */
const BATCH_BYTES_MAX = 256 * 1024 * 1024;

/** A hello is never longer, and before it nothing else is read. */
const HELLO_BYTES_MAX = 4 * 1024;
/** A stream without a hello for so long is ended. */
const HELLO_LIMIT_MS = 10_000;

/** More inputs than this waiting: peers are read from again when the loop has caught up. */
const INBOX_INPUTS_MAX = 20_000;
const ROOM_CHECK_MS = 5;

/** The node behind the service. */
export interface PeerHost {
  /** Whether a node that says it serves at `address` is a peer. */
  admits(id: NodeId, address: string): boolean;
  /** Whether the node was a member once and never will be again. */
  hasRemoved(id: NodeId): boolean;
  /** Why nothing of what the node says is believed, `undefined` if it is. */
  distrustOf(id: NodeId): string | undefined;
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

/** One stream while it lasts. */
interface Incoming {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly answers: AnswerStream;
}

/** The peer is one no more, and is told so (`peers/link.ts` reads the code). */
class RemovedPeerError extends Error {
  override readonly name = "RemovedPeerError";
}

function codeOf(error: unknown): string {
  if (error instanceof RemovedPeerError) return "permission_denied";
  return error instanceof RangeError ? "invalid_argument" : "unavailable";
}

function refusalOf(error: unknown): StreamRefusal {
  return { code: codeOf(error), message: error instanceof Error ? error.message : String(error) };
}

/** See the module comment. */
export class PeerService {
  readonly #options: PeerServiceOptions;
  readonly #streams = new Map<NodeId, ReadableStreamDefaultReader<Uint8Array>>();

  constructor(options: PeerServiceOptions) {
    this.#options = options;
  }

  /** Answers `POST /prkdb.v1.RaftService/Deliver`: takes batches until the stream ends. */
  deliver(request: Request): Promise<Response> {
    const { body } = request;
    const reader = (body ?? new ReadableStream<Uint8Array>()).getReader();
    const answers = new AnswerStream(this.#options.answerIntervalMs, () => cancel(reader));
    if (body === null) {
      answers.end({ code: "invalid_argument", message: "Cannot deliver: the request has no body" });
    } else void this.#serve({ reader, answers });
    return Promise.resolve(answers.response());
  }

  /** Ends all streams. */
  close(): void {
    for (const reader of this.#streams.values()) cancel(reader);
    this.#streams.clear();
  }

  async #serve({ reader, answers }: Incoming): Promise<void> {
    try {
      await this.#read({ reader, answers });
      answers.end();
    } catch (error) {
      answers.end(refusalOf(error));
    } finally {
      this.#forget(reader);
      cancel(reader);
    }
  }

  async #read({ reader, answers }: Incoming): Promise<void> {
    const envelopes = new EnvelopeReader(HELLO_BYTES_MAX);
    const helloLimit = setTimeout(() => cancel(reader), HELLO_LIMIT_MS);
    let from: NodeId | undefined;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        for (const { isEnd, message } of envelopes.read(value)) {
          if (isEnd) return;
          if (from !== undefined) this.#take(message, from);
          else {
            from = await this.#greet(message, reader);
            envelopes.bytesMax = BATCH_BYTES_MAX;
            clearTimeout(helloLimit);
          }
          answers.noteTaken();
        }
        answers.answerSoon();
        if (this.#isInboxFull) await this.#untilRoom();
      }
    } finally {
      clearTimeout(helloLimit);
    }
  }

  get #isInboxFull(): boolean {
    return this.#options.inbox.size > INBOX_INPUTS_MAX;
  }

  async #untilRoom(): Promise<void> {
    while (this.#isInboxFull) await new Promise((resolve) => setTimeout(resolve, ROOM_CHECK_MS));
  }

  #take(message: Uint8Array, from: NodeId): void {
    const { identity, inbox } = this.#options;
    const { batch } = decodePeerBatch(message, { from, to: identity.nodeId });
    inbox.push({ kind: "peerBatch", from, batch: ownBatch(batch, message) });
  }

  async #greet(message: Uint8Array, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<NodeId> {
    const { clusterId, host, identity: { nodeId }, inbox } = this.#options;
    const { hello } = decodePeerBatch(message, { from: 0, to: nodeId });
    if (hello === undefined) throw new RangeError("Cannot deliver: the first message has no hello");
    if (clusterId.matches(hello.clusterId) && host.hasRemoved(hello.fromNode)) {
      throw new RemovedPeerError(`Cannot deliver: node ${hello.fromNode} was removed from this cluster`);
    }
    const problem = this.#problemWith(hello) ?? await this.#problemWithDirectories(hello);
    if (problem !== undefined) throw new RangeError(`Cannot deliver: ${problem}`);
    // Before anything that it says is believed, this node is bound to the same cluster.
    if (!isUndrawn(hello.clusterId)) await clusterId.settle(hello.clusterId);
    // What the peer had to say while it had no stream to here was dropped, answers to passed calls among it.
    const replaced = this.#streams.get(hello.fromNode);
    if (replaced === undefined) inbox.push({ kind: "peerLost", peer: hello.fromNode });
    else {
      this.#forget(replaced);
      cancel(replaced);
    }
    this.#streams.set(hello.fromNode, reader);
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
  #forget(reader: ReadableStreamDefaultReader<Uint8Array>): void {
    for (const [from, current] of this.#streams) {
      if (current !== reader) continue;
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

function cancel(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  void reader.cancel().catch(() => {});
}
