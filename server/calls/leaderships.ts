/**
 * What this node leads: told to its peers, so that those without a replica know it too, and given to other
 * nodes before it stops.
 *
 * @module
 */

import type { GroupId, MultiRaft, NodeId, RaftStatus, Transition } from "../../raft/mod.ts";
import type { Clock, Leadership, Outbox } from "../ports/mod.ts";
import type { HostedReplica } from "./hosted_replica.ts";
import type { LeaderTable } from "./leader_table.ts";

/** Peers are told again at this interval what this node leads, should a batch have been lost. */
const ANNOUNCE_MS = 1_000;

/** What it works with. */
export interface LeadershipsOptions {
  readonly nodeId: NodeId;
  readonly multiRaft: MultiRaft;
  readonly leaders: LeaderTable;
  /** On this node, by group. */
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
  readonly outbox: Outbox;
  readonly clock: Clock;
}

/** See the module comment. */
export class Leaderships {
  readonly #options: LeadershipsOptions;
  #announcedMs = -Infinity;

  constructor(options: LeadershipsOptions) {
    this.#options = options;
  }

  /** A replica here has another role, term or leader. */
  follow(transition: Transition): void {
    const { leaders, multiRaft, nodeId, outbox, replicas } = this.#options;
    const { group, leader, term, role } = transition;
    const replica = replicas.get(group);
    // A replica that has moved away hears nothing any more; the leader tells all nodes itself.
    if (replica?.isAssigned || role === "leader") leaders.noteLocal(group, { leader, term });
    // A leadership begins with an entry of its own.
    const before = (multiRaft.status(group)?.lastIndex ?? 0) - 1;
    replica?.follow(transition, replica.machine.appliedIndex >= before);
    if (role === "leader" && leader === nodeId) outbox.addLeaderships([{ group, term }]);
  }

  /** Tells a peer whose stream has just been opened. */
  announceTo(peer: NodeId): void {
    this.#options.outbox.addLeaderships(this.#own(), peer);
  }

  /** Tells all peers, if that was long ago. */
  announceAgain(nowMs: number): void {
    if (nowMs - this.#announcedMs < ANNOUNCE_MS) return;
    this.#announcedMs = nowMs;
    this.#options.outbox.addLeaderships(this.#own());
  }

  /**
   * Asks the core to hand every group that this node leads to another voter. To be repeated, as a transfer
   * may be refused while its target lags.
   *
   * @returns whether there was any that another node could take
   */
  handOver(): boolean {
    const { multiRaft, replicas } = this.#options;
    const led = [...replicas.values()].filter(({ role }) => role === "leader");
    const targets = led.flatMap(({ group }) => {
      const to = bestFollower(multiRaft.status(group));
      return to === undefined ? [] : [{ group, to }];
    });
    for (const { group, to } of targets) multiRaft.transferLeadership(group, to);
    return targets.length > 0;
  }

  #own(): Leadership[] {
    const { leaders, nodeId, replicas } = this.#options;
    return [...replicas.keys()]
      .map((group) => ({ group, ...leaders.get(group) }))
      .filter(({ leader }) => leader === nodeId)
      .map(({ group, term }) => ({ group, term }));
  }
}

/** The voter that needs the least to take over. */
function bestFollower(status: RaftStatus | undefined): NodeId | undefined {
  const voters = status?.membership.voters ?? [];
  const active = (status?.followers ?? []).filter(({ active, node }) => active && voters.includes(node));
  return active.sort((a, b) => b.matchIndex - a.matchIndex || a.node - b.node)[0]?.node;
}
