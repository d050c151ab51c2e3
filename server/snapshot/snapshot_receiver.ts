/**
 * The end of a transfer that lacks the state: fetches snapshots for the replicas of this node that cannot be
 * fed from the log any more, some at a time. Whoever sees that a replica lags says so as often as it likes;
 * what is not taken up now is taken up when it is said again.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type GroupId, NO_NODE, type NodeId } from "../../raft/mod.ts";
import type { Clock, PeerTransport } from "../ports/mod.ts";
import { Pacer } from "./pacer.ts";
import type { SnapshotTarget } from "./snapshot_ports.ts";
import { SnapshotTransfer, type TransferEnd } from "./snapshot_transfer.ts";

/** One fills the disk's time while the other waits for the network. */
const TRANSFERS_MAX = 2;
/** What the disks and the network of a small machine have to spare. */
const BYTES_PER_SECOND_MAX = 64 * 1024 * 1024;
/** After a failure a group waits, so that others have their turn, and twice as long after the next one. */
const REST_MS_MIN = 1_000;
const REST_MS_MAX = 30_000;
/** A failure so long ago counts no more. */
const FORGIVEN_MS = 120_000;

const logger = getLogger(["prkdb", "server"]);

/** What a receiver is made from. */
export interface SnapshotReceiverOptions {
  readonly target: SnapshotTarget;
  readonly transport: Pick<PeerTransport, "askSnapshot">;
  readonly clock: Clock;
  /** Of all transfers together; 64 MiB unless given. */
  readonly bytesPerSecondMax?: number;
}

/** A replica that cannot be fed from the log. */
export interface SnapshotWish {
  readonly group: GroupId;
  /** Who leads the group, and so has the state. */
  readonly leader: NodeId;
}

/** What a receiver has done since it was made. */
export interface SnapshotReceiverStats {
  /** Snapshots that came whole. */
  readonly received: number;
  readonly bytesReceived: number;
  readonly installed: number;
  readonly failed: number;
  /** Transfers that run. */
  readonly underWay: number;
}

/** A transfer that runs. */
interface Run {
  readonly transfer: SnapshotTransfer;
  readonly ended: Promise<void>;
}

/** A group that waits after a failure. */
interface Rest {
  readonly untilMs: number;
  readonly lengthMs: number;
}

/** See the module comment. */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #pacer: Pacer;
  readonly #runs = new Map<GroupId, Run>();
  readonly #rests = new Map<GroupId, Rest>();
  readonly #counts = { received: 0, bytesReceived: 0, installed: 0, failed: 0 };
  #isClosed = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.clock, options.bytesPerSecondMax ?? BYTES_PER_SECOND_MAX);
  }

  get stats(): SnapshotReceiverStats {
    return { ...this.#counts, underWay: this.#runs.size };
  }

  /** Whether a snapshot is on its way to the group. */
  isReceiving(group: GroupId): boolean {
    return this.#runs.has(group);
  }

  /** Begins a transfer, unless one is under way, the group rests, or there are enough of them. */
  want({ group, leader }: SnapshotWish): void {
    if (this.#isClosed || leader === NO_NODE) return;
    const current = this.#runs.get(group);
    if (current !== undefined) current.transfer.leader = leader;
    else if (this.#runs.size < TRANSFERS_MAX && !this.#isResting(group)) this.#start({ group, leader });
  }

  /** To be called now and then: forgets failures that are long ago. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [group, { untilMs }] of this.#rests) {
      if (nowMs >= untilMs + FORGIVEN_MS) this.#rests.delete(group);
    }
  }

  /** The replica goes: ends its transfer, and resolves when nothing is written for it any more. */
  async forget(group: GroupId): Promise<void> {
    this.#rests.delete(group);
    const run = this.#runs.get(group);
    run?.transfer.stop();
    await run?.ended;
  }

  /** Ends all transfers, and resolves when nothing is written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const runs = [...this.#runs.values()];
    for (const { transfer } of runs) transfer.stop();
    await Promise.all(runs.map(({ ended }) => ended));
  }

  #isResting(group: GroupId): boolean {
    const rest = this.#rests.get(group);
    return rest !== undefined && this.#options.clock.monotonicMs() < rest.untilMs;
  }

  #start({ group, leader }: SnapshotWish): void {
    const { clock, target, transport } = this.#options;
    const transfer = new SnapshotTransfer({
      group,
      leader,
      target,
      transport,
      clock,
      pacer: this.#pacer,
      onBytes: (count) => void (this.#counts.bytesReceived += count),
      onReceived: () => void this.#counts.received++,
    });
    const ended = transfer.run().then((end) => this.#note(group, end));
    this.#runs.set(group, { transfer, ended });
  }

  #note(group: GroupId, end: TransferEnd): void {
    this.#runs.delete(group);
    if (end.kind === "installed") {
      this.#counts.installed++;
      this.#rests.delete(group);
      logger.info("A snapshot of group {group} has been installed", { group });
    } else if (end.kind === "failed") {
      this.#counts.failed++;
      this.#rest(group);
      const { reason } = end;
      logger.warn("No snapshot of group {group} could be had: {reason}", { group, reason });
    }
  }

  #rest(group: GroupId): void {
    const before = this.#rests.get(group)?.lengthMs;
    const lengthMs = before === undefined ? REST_MS_MIN : Math.min(before * 2, REST_MS_MAX);
    this.#rests.set(group, { untilMs: this.#options.clock.monotonicMs() + lengthMs, lengthMs });
  }
}
