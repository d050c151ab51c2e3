/**
 * The end of a transfer that has the state: hands out snapshots, part by part, to those who ask. It keeps no
 * transfer going by itself. What nobody asks for any more it lets go.
 *
 * Receivers of one group share a snapshot while it is young. When the last of them has ended, the entries
 * behind the snapshot are kept for a while: the receiver has just switched to it, and goes on with them.
 *
 * @module
 */

import { type GroupId, type LogIndex, type NodeId, unreachable } from "../../raft/mod.ts";
import type { Clock, SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import { SNAPSHOT_PART_BYTES_MAX } from "./snapshot_codec.ts";
import type { HeldSnapshot, SnapshotSource } from "./snapshot_ports.ts";

/** A receiver that begins gets a snapshot that others have, up to this age. */
const SHARED_MS_MAX = 30_000;
/** Each holds tables that could be removed, and a part of the log. */
const OPEN_MAX = 4;
/** A receiver that is silent for so long has gone. */
const IDLE_MS_MAX = 60_000;
/** So long entries are kept behind a snapshot that is closed. */
const KEPT_MS = 30_000;
/** Between the ids of two processes that start one after the other there are so many for each millisecond. */
const IDS_PER_MS = 1_000;

/** What a sender is made from. */
export interface SnapshotSenderOptions {
  readonly source: SnapshotSource;
  readonly clock: Clock;
}

/** What a sender has done since it was made. */
export interface SnapshotSenderStats {
  /** Snapshots that a receiver was done with. */
  readonly sent: number;
  readonly bytesSent: number;
  /** Snapshots that are open. */
  readonly underWay: number;
}

/** A snapshot, and who receives it. */
interface OpenSnapshot {
  readonly id: number;
  readonly group: GroupId;
  readonly held: HeldSnapshot;
  readonly openedMs: number;
  /** When each has asked last. */
  readonly receivers: Map<NodeId, number>;
}

/** Entries of a group that are kept above an index for a while. */
interface KeptLog {
  readonly group: GroupId;
  readonly index: LogIndex;
  readonly untilMs: number;
}

/** See the module comment. */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #open = new Map<number, OpenSnapshot>();
  /** Snapshots that are being made. */
  readonly #openings = new Map<GroupId, Promise<OpenSnapshot | undefined>>();
  #kept: readonly KeptLog[] = [];
  #nextId: number;
  #isClosed = false;
  #sent = 0;
  #bytesSent = 0;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    // A receiver may still know ids of the process that was here before.
    this.#nextId = Math.floor(options.clock.wallMs()) * IDS_PER_MS;
  }

  get stats(): SnapshotSenderStats {
    return { sent: this.#sent, bytesSent: this.#bytesSent, underWay: this.#open.size };
  }

  /** Answers a request of `from`, which is a member; never rejects. */
  async answer(from: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    if (this.#isClosed) return refusal("this node stops");
    switch (request.kind) {
      case "begin":
        return await this.#begin(from, request.group);
      case "read":
        return this.#read(from, request);
      case "end":
        return this.#end(from, request);
      default:
        return unreachable(request);
    }
  }

  /**
   * Entries of the group above this index must be kept for those who receive, or have just received, a
   * snapshot.
   */
  heldIndex(group: GroupId): LogIndex | undefined {
    const nowMs = this.#nowMs;
    const open = [...this.#open.values()].filter((each) => each.group === group);
    const kept = this.#kept.filter((each) => each.group === group && each.untilMs > nowMs);
    const indexes = [...open.map(({ held }) => held.point.index), ...kept.map(({ index }) => index)];
    return indexes.length === 0 ? undefined : Math.min(...indexes);
  }

  /** To be called now and then: closes what nobody asks for. */
  tick(): void {
    const nowMs = this.#nowMs;
    this.#kept = this.#kept.filter(({ untilMs }) => untilMs > nowMs);
    for (const snapshot of [...this.#open.values()]) {
      for (const [receiver, askedMs] of snapshot.receivers) {
        if (nowMs - askedMs >= IDLE_MS_MAX) snapshot.receivers.delete(receiver);
      }
      if (snapshot.receivers.size === 0) this.#close(snapshot);
    }
  }

  /** The replica goes: nothing of it is sent any more. */
  forget(group: GroupId): void {
    this.#openings.delete(group);
    this.#kept = this.#kept.filter((each) => each.group !== group);
    for (const { id, held, ...snapshot } of [...this.#open.values()]) {
      if (snapshot.group !== group) continue;
      this.#open.delete(id);
      held.release();
    }
  }

  /** Closes all snapshots; everything is refused from now on. */
  close(): void {
    this.#isClosed = true;
    this.#openings.clear();
    this.#kept = [];
    for (const { held } of this.#open.values()) held.release();
    this.#open.clear();
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  async #begin(from: NodeId, group: GroupId): Promise<SnapshotAnswer> {
    let snapshot = this.#youngest(group);
    if (snapshot === undefined) {
      const isFull = this.#open.size + this.#openings.size >= OPEN_MAX;
      if (isFull && !this.#openings.has(group)) return refusal("as many snapshots as may be are under way");
      try {
        snapshot = await this.#opening(group);
      } catch (error) {
        return refusal(`the snapshot cannot be made: ${reasonOf(error)}`);
      }
    }
    if (snapshot === undefined) return refusal(`no replica of group ${group} here is a source of snapshots`);
    snapshot.receivers.set(from, this.#nowMs);
    this.#leaveOthers(from, snapshot);
    return { kind: "begun", snapshotId: snapshot.id, description: snapshot.held.description };
  }

  #youngest(group: GroupId): OpenSnapshot | undefined {
    const nowMs = this.#nowMs;
    return [...this.#open.values()].findLast((each) =>
      each.group === group && nowMs - each.openedMs <= SHARED_MS_MAX
    );
  }

  /** The snapshot that is being made of the group; one for all who ask meanwhile. */
  #opening(group: GroupId): Promise<OpenSnapshot | undefined> {
    const current = this.#openings.get(group);
    if (current !== undefined) return current;
    const isWanted = () => this.#openings.get(group) === opening;
    const opening: Promise<OpenSnapshot | undefined> = this.#make(group, isWanted).finally(() => {
      if (isWanted()) this.#openings.delete(group);
    });
    this.#openings.set(group, opening);
    return opening;
  }

  async #make(group: GroupId, isWanted: () => boolean): Promise<OpenSnapshot | undefined> {
    const held = await this.#options.source.openSnapshot(group);
    if (held === undefined) return undefined;
    if (!isWanted()) {
      held.release();
      return undefined;
    }
    const snapshot = { id: this.#nextId++, group, held, openedMs: this.#nowMs, receivers: new Map() };
    this.#open.set(snapshot.id, snapshot);
    return snapshot;
  }

  /** Who begins anew has no use for what it had before. */
  #leaveOthers(receiver: NodeId, { id, group }: OpenSnapshot): void {
    for (const other of [...this.#open.values()]) {
      if (other.group !== group || other.id === id || !other.receivers.delete(receiver)) continue;
      if (other.receivers.size === 0) this.#close(other);
    }
  }

  #read(from: NodeId, request: Extract<SnapshotRequest, { kind: "read" }>): SnapshotAnswer {
    const { group, snapshotId, fileNumber, offset, bytesMax } = request;
    const snapshot = this.#open.get(snapshotId);
    if (snapshot?.group !== group) return refusal(`snapshot ${snapshotId} is not open any more`, true);
    snapshot.receivers.set(from, this.#nowMs);
    const bytes = new Uint8Array(Math.min(bytesMax, SNAPSHOT_PART_BYTES_MAX));
    try {
      if (bytes.length > 0) snapshot.held.read(fileNumber, offset, bytes);
    } catch (error) {
      if (error instanceof RangeError) return refusal(error.message);
      this.#close(snapshot);
      return refusal(`the snapshot cannot be read: ${reasonOf(error)}`, true);
    }
    this.#bytesSent += bytes.length;
    return { kind: "part", bytes };
  }

  /** May be said again, when the first answer was lost. */
  #end(from: NodeId, { group, snapshotId }: Extract<SnapshotRequest, { kind: "end" }>): SnapshotAnswer {
    const snapshot = this.#open.get(snapshotId);
    if (snapshot?.group === group && snapshot.receivers.delete(from)) {
      this.#sent++;
      if (snapshot.receivers.size === 0) this.#close(snapshot);
    }
    return { kind: "done" };
  }

  #close({ id, group, held }: OpenSnapshot): void {
    this.#open.delete(id);
    this.#kept = [...this.#kept, { group, index: held.point.index, untilMs: this.#nowMs + KEPT_MS }];
    held.release();
  }
}

function refusal(reason: string, isGone = false): SnapshotAnswer {
  return { kind: "refused", reason, isGone };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
