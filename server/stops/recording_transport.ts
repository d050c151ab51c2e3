/**
 * The way to the peers, with a record of what is handed to it.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { PeerStatus } from "../api/mod.ts";
import type { Answerer, PeerBatch, PeerTransport, SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import { noteBatch } from "./peer_stops.ts";
import type { StopRecorder } from "./stop_recorder.ts";

/** See the module comment. */
export class RecordingTransport implements PeerTransport {
  readonly #transport: PeerTransport;
  readonly #recorder: StopRecorder;

  constructor(transport: PeerTransport, recorder: StopRecorder) {
    this.#transport = transport;
    this.#recorder = recorder;
  }

  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void {
    this.#transport.setPeers(peers);
  }

  whoIsAt(address: string): Promise<Answerer> {
    return this.#transport.whoIsAt(address);
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    noteBatch(this.#recorder, { name: "sent", peer: to, batch });
    return this.#transport.send(to, batch);
  }

  askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    return this.#transport.askSnapshot(to, request);
  }

  statuses(): readonly PeerStatus[] {
    return this.#transport.statuses();
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
