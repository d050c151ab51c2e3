/**
 * All that keeps the state of a node's replicas durable, its log short and its replicas fed, behind one door
 * for the node: it is told of what the core wants and of the time, and does the rest by itself.
 *
 * @module
 */

import type { GroupId, GroupPersist, MultiRaft, NodeId, SnapshotWanted } from "../../raft/mod.ts";
import type { Wal, WalRecord } from "../../wal-wasm/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { Clock, PeerTransport, SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import { SnapshotReceiver, type SnapshotReceiverStats, SnapshotSender } from "../snapshot/mod.ts";
import type { StateBudget } from "./budget.ts";
import type { EntryPlaces } from "./entry_places.ts";
import { Flusher } from "./flusher.ts";
import { LogRelease } from "./log_release.ts";
import { ReplicaDrops, type ReplicaDropsOptions } from "./replica_drops.ts";
import { ReplicaSnapshots, type ReplicaSnapshotsOptions } from "./replica_snapshots.ts";
import type { StateStores } from "./state_stores.ts";

/** What it works with. */
export interface StateKeeperOptions {
  readonly stores: StateStores;
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  readonly multiRaft: MultiRaft;
  readonly wal: Wal;
  /** What recovery found; it is added to from now on. */
  readonly places: EntryPlaces;
  readonly budget: StateBudget;
  readonly clock: Clock;
  readonly transport: Pick<PeerTransport, "askSnapshot">;
  /** Told when a replica stands on another state. */
  readonly inbox: ReplicaSnapshotsOptions["inbox"] & ReplicaDropsOptions["inbox"];
  /** The records of what is to be durable. */
  readonly encode: (persist: readonly GroupPersist[]) => WalRecord[];
  /** See {@linkcode ReplicaDropsOptions}, as for the next. */
  readonly encodeGone: ReplicaDropsOptions["encodeGone"];
  readonly leave: ReplicaDropsOptions["leave"];
}

/** What it has done since it was made. */
export interface StateKeeperStats {
  readonly flushes: number;
  readonly compactions: number;
  /** How often a group's older records in the log were let go of. */
  readonly releases: number;
  /** Replicas that were switched to a snapshot. */
  readonly installed: number;
  /** Replicas that have left. */
  readonly drops: number;
  readonly snapshotsSent: number;
  readonly snapshotBytesSent: number;
  readonly receiving: SnapshotReceiverStats;
}

/** See the module comment. */
export class StateKeeper {
  readonly #options: StateKeeperOptions;
  readonly #flusher: Flusher;
  readonly #release: LogRelease;
  readonly #snapshots: ReplicaSnapshots;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #drops: ReplicaDrops;

  constructor(options: StateKeeperOptions) {
    const { clock, transport } = options;
    this.#options = options;
    this.#flusher = new Flusher(options);
    this.#snapshots = new ReplicaSnapshots({ ...options, flusher: this.#flusher });
    this.#sender = new SnapshotSender({ source: this.#snapshots, clock });
    this.#receiver = new SnapshotReceiver({ target: this.#snapshots, transport, clock });
    const holders = [this.#snapshots, this.#sender];
    const [flusher, snapshots] = [this.#flusher, this.#snapshots];
    const [sender, receiver] = [this.#sender, this.#receiver];
    this.#drops = new ReplicaDrops({ ...options, flusher, snapshots, sender, receiver });
    this.#release = new LogRelease({ ...options, flusher: this.#flusher, holders });
  }

  /**
   * Why stores cannot be flushed, their tables not merged, or their files not removed; `undefined` while they
   * can.
   */
  get trouble(): string | undefined {
    return this.#flusher.trouble ?? this.#drops.trouble;
  }

  get stats(): StateKeeperStats {
    const { sent, bytesSent } = this.#sender.stats;
    return {
      flushes: this.#flusher.flushes,
      compactions: this.#flusher.compactions,
      releases: this.#release.releases,
      installed: this.#snapshots.installed,
      drops: this.#drops.drops,
      snapshotsSent: sent,
      snapshotBytesSent: bytesSent,
      receiving: this.#receiver.stats,
    };
  }

  /** These are about to be written where the log ends now. */
  noteWriting(persist: readonly GroupPersist[]): void {
    const { places, wal } = this.#options;
    const { segment } = wal.end;
    for (const { group, entries } of persist) {
      if (entries.length > 0) places.note({ group, index: entries[0]!.index, segment });
    }
  }

  /** A replica here cannot be fed from the log any more. */
  fetchSnapshot(wanted: SnapshotWanted): void {
    if (!this.#drops.isLeaving(wanted.group)) this.#receiver.want(wanted);
  }

  /** The replica of the group here is gone for good, as the cluster's state says. */
  drop(group: GroupId): void {
    this.#drops.want(group);
  }

  /** A member wants a snapshot, or a part of one. */
  answerSnapshot(from: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    return this.#sender.answer(from, request);
  }

  /**
   * Called at the beginning of a turn, when all that was handed out has been given to the log and, as far as
   * it is committed, to the replicas.
   *
   * @returns what is being written again to the log, if anything is; it rejects when the log fails
   */
  tick(): Promise<void> | undefined {
    this.#flusher.tick();
    this.#receiver.tick();
    this.#sender.tick();
    const writing = [this.#drops.tick(), this.#release.tick()].filter((each) => each !== undefined);
    return writing.length === 0 ? undefined : Promise.all(writing).then(() => {});
  }

  /** Ends what is under way, and closes the stores; what is not flushed is in the log. */
  async close(): Promise<void> {
    this.#flusher.close();
    this.#snapshots.close();
    await this.#receiver.close();
    this.#sender.close();
    await this.#drops.close();
    await this.#options.stores.close();
  }
}
