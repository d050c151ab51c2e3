/**
 * Makes whole what is damaged in the states of a node's replicas, without an operator: a replica whose store
 * cannot be read everywhere, or was lost, gets the state of its leader. It votes, takes in entries and
 * acknowledges them meanwhile, since its log is what it has promised. It does not lead, not even when a
 * leader asks it to, and it gives its state to nobody.
 *
 * ```
 * a read, a merge, the verifier ─▶ damage ─┐
 * a store that cannot be opened ─▶ lost ───┴─▶ leads? hand over : ask the leader for a snapshot
 * ```
 *
 * Where there is no other replica that could help, it says so and goes on with what can be read.
 *
 * A leader that cannot apply what is committed, because its disk does not let it read at the moment, hands
 * over, too: it would keep everybody waiting.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { type GroupId, type MultiRaft, NO_NODE, type RaftStatus } from "../../raft/mod.ts";
import type { HostedReplica } from "../calls/mod.ts";
import type { SnapshotReceiver } from "../snapshot/mod.ts";
import type { ReplicaStore } from "./replica_store.ts";
import type { StateStores } from "./state_stores.ts";

/** Ticks between two looks. */
const LOOK_EVERY_TICKS = 8;

const logger = getLogger(["prkdb", "server"]);

/** What it works with. */
export interface RepairOptions {
  readonly stores: StateStores;
  readonly multiRaft: MultiRaft;
  readonly replicas: ReadonlyMap<GroupId, Pick<HostedReplica, "isAssigned" | "role" | "stallReason">>;
  readonly receiver: SnapshotReceiver;
}

/** See the module comment. */
export class Repair {
  readonly #options: RepairOptions;
  #ticks = 0;
  /** Groups that are led here, and were stalled at the last look. */
  readonly #stalled = new Set<GroupId>();
  /** Groups that were said to be damaged. */
  readonly #said = new Set<GroupId>();

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** What is damaged; `undefined` while nothing is. */
  get trouble(): string | undefined {
    const damaged = this.#damaged();
    const [first] = damaged;
    if (first === undefined) return undefined;
    const more = damaged.length > 1 ? `, and that of ${damaged.length - 1} more` : "";
    return `the state of group ${first.group} here is damaged${more}: ${first.damage}`;
  }

  /** Does what can be done now. */
  tick(): void {
    if (this.#ticks++ % LOOK_EVERY_TICKS !== 0) return;
    const damaged = this.#damaged();
    for (const state of damaged) {
      // Or one that is about to leave would hand over to it, and it back, without end.
      this.#options.multiRaft.setUnfit(state.group, true);
      this.#repair(state);
    }
    this.#handOverStalled();
    for (const group of this.#said) {
      if (damaged.some((state) => state.group === group)) continue;
      this.#said.delete(group);
      this.#options.multiRaft.setUnfit(group, false);
      // What is not needed any more is not whole.
      if (this.#isNeeded(group)) logger.info("The state of group {group} is whole again", { group });
    }
  }

  /** The replica of the group has left. */
  forget(group: GroupId): void {
    this.#said.delete(group);
    this.#stalled.delete(group);
  }

  #handOverStalled(): void {
    const { multiRaft, replicas } = this.#options;
    for (const [group, { role, stallReason }] of replicas) {
      const isStalled = role === "leader" && stallReason !== undefined;
      const status = isStalled && this.#stalled.has(group) ? multiRaft.status(group) : undefined;
      if (isStalled) this.#stalled.add(group);
      else this.#stalled.delete(group);
      if (status !== undefined) this.#handOver(status);
    }
  }

  #damaged(): readonly ReplicaStore[] {
    const states = [...this.#options.stores.all.values()];
    return states.filter(({ damage, group }) => damage !== undefined && this.#isNeeded(group));
  }

  /** One that has moved away is asked by nobody, and fed by nobody. */
  #isNeeded(group: GroupId): boolean {
    return this.#options.replicas.get(group)?.isAssigned === true;
  }

  #repair({ group, damage }: ReplicaStore): void {
    const { multiRaft, receiver } = this.#options;
    if (!this.#said.has(group)) {
      this.#said.add(group);
      logger.error(
        "The state of group {group} is damaged, and comes from another node if one has it: {damage}",
        {
          group,
          damage,
        },
      );
    }
    const status = multiRaft.status(group);
    if (status === undefined) return;
    if (status.role === "leader") this.#handOver(status);
    else if (status.leader !== NO_NODE) receiver.want({ group, leader: status.leader });
  }

  /** To whoever has most of the log; what makes that impossible now may be gone at the next look. */
  #handOver({ followers, group, membership }: RaftStatus): void {
    const candidates = followers.filter(({ active, node }) => active && membership.voters.includes(node));
    const best = candidates.reduce<RaftStatus["followers"][number] | undefined>(
      (most, each) => most === undefined || each.matchIndex > most.matchIndex ? each : most,
      undefined,
    );
    if (best !== undefined) this.#options.multiRaft.transferLeadership(group, best.node);
  }
}
