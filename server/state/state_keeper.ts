/**
 * All that keeps the state of a node's replicas durable, its log short and its replicas fed, behind one door
 * for the node: it is told of what the core wants and of the time, and does the rest by itself.
 *
 * @module
 */

import type { GroupId, GroupPersist, MultiRaft, NodeId, SnapshotWanted } from "../../raft/mod.ts";
import type { Wal } from "../../wal-wasm/mod.ts";
import type { OpenBackup } from "../api/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import { CLUSTER_GROUP, partitionOfGroup } from "../cluster/mod.ts";
import type { Clock, PeerTransport, SnapshotAnswer, SnapshotRequest } from "../ports/mod.ts";
import { SnapshotReceiver, type SnapshotReceiverStats, SnapshotSender } from "../snapshot/mod.ts";
import type { BlockCacheStats, StoreStatus } from "../storage/mod.ts";
import { openBackup } from "./backup_source.ts";
import type { StateBudget } from "./budget.ts";
import type { EntryPlaces } from "./entry_places.ts";
import { Flusher } from "./flusher.ts";
import { LogRelease, type LogReleaseOptions } from "./log_release.ts";
import { ReplicaDrops, type ReplicaDropsOptions } from "./replica_drops.ts";
import { ReplicaSnapshots, type ReplicaSnapshotsOptions } from "./replica_snapshots.ts";
import { Repair } from "./repair.ts";
import type { StateStores } from "./state_stores.ts";

import { Verifier } from "./verifier.ts";

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
  readonly encode: LogReleaseOptions["encode"];
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
  /** Of those, the ones that were damaged. */
  readonly repaired: number;
  /** Tables that were read again and found sound. */
  readonly verified: number;
  /** Replicas that have left. */
  readonly drops: number;
  readonly snapshotsSent: number;
  readonly snapshotBytesSent: number;
  readonly receiving: SnapshotReceiverStats;
}

/** The store of a partition. */
export interface StoreFigures extends StoreStatus {
  readonly partitionId: number;
}

/** All that operators see of it. */
export interface StateFigures extends StateKeeperStats {
  /** The cache of blocks that the stores share. */
  readonly cache: BlockCacheStats;
  /** Of partitions, not of the cluster's own group. */
  readonly stores: readonly StoreFigures[];
}

/** See the module comment. */
export class StateKeeper {
  readonly #options: StateKeeperOptions;
  readonly #flusher: Flusher;
  readonly #release: LogRelease;
  readonly #repair: Repair;
  readonly #verifier: Verifier;
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
    this.#release = new LogRelease({ ...options, flusher, snapshots, holders });
    this.#repair = new Repair({ ...options, receiver });
    this.#verifier = new Verifier(options);
    const repair = this.#repair;
    this.#drops = new ReplicaDrops({ ...options, flusher, snapshots, sender, receiver, repair });
  }

  /**
   * Why stores cannot be flushed, their tables not merged, or their files not removed; `undefined` while they
   * can.
   */
  get trouble(): string | undefined {
    return this.#flusher.trouble ?? this.#drops.trouble;
  }

  /** What of the states here is damaged, and where; `undefined` while nothing is. */
  get damage(): string | undefined {
    return this.#repair.trouble;
  }

  get stats(): StateKeeperStats {
    const { sent, bytesSent } = this.#sender.stats;
    return {
      flushes: this.#flusher.flushes,
      compactions: this.#flusher.compactions,
      releases: this.#release.releases,
      installed: this.#snapshots.installed,
      repaired: this.#snapshots.repaired,
      verified: this.#verifier.verified,
      drops: this.#drops.drops,
      snapshotsSent: sent,
      snapshotBytesSent: bytesSent,
      receiving: this.#receiver.stats,
    };
  }

  /** See {@linkcode StateFigures}; costs something for each table. */
  get figures(): StateFigures {
    const { stores } = this.#options;
    const partitions = [...stores.all.values()].filter(({ group }) => group !== CLUSTER_GROUP);
    return {
      ...this.stats,
      cache: stores.cache,
      stores: partitions.map(({ group, store }) => ({
        ...store.status,
        partitionId: partitionOfGroup(group),
      })),
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

  /** Opens the state of a partition's replica for a backup; see {@linkcode openBackup}. */
  openBackup(group: GroupId): Promise<OpenBackup> {
    return openBackup(this.#snapshots, group);
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
    this.#repair.tick();
    this.#verifier.tick();
    const writing = [this.#drops.tick(), this.#release.tick()].filter((each) => each !== undefined);
    return writing.length === 0 ? undefined : Promise.all(writing).then(() => {});
  }

  /** Ends what is under way, and closes the stores; what is not flushed is in the log. */
  async close(): Promise<void> {
    this.#flusher.close();
    this.#snapshots.close();
    // It reads from the stores.
    this.#sender.close();
    // A snapshot that is being verified notices only by its store that it is to end.
    await Promise.all([this.#receiver.close(), this.#drops.close(), this.#options.stores.close()]);
  }
}
