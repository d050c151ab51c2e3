/**
 * A disk that is put back to an earlier state: the node on it has forgotten what it promised since, and
 * cannot know that by itself. As soon as it meets any node that it promised something to, it must end, and
 * say why.
 *
 * ```
 * copy of its disk ── acknowledged writes ──▶ killed ── put back ──▶ started, hears one witness ──▶ ends
 *                                                         └── half of the time that has restarted, too
 * ```
 *
 * @module
 */

import { type GroupId, NO_NODE, type NodeId, type Term } from "../../../raft/mod.ts";
import type { Fleet } from "../machines/fleet.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { Network } from "../machines/network.ts";
import type { DiskCopy } from "../machines/sim_disk.ts";
import type { World } from "../world/world.ts";

/** Of witnesses, how many know the promise from their logs only. */
const RESTART_PERCENT = 50;
/** How long a node may serve before it hears its witness and ends: streams have to be open first. */
const NOTICE_TIMEOUTS = 10;

/** What is done with. */
export interface PutBackOptions {
  readonly world: World;
  readonly fleet: Fleet;
  readonly network: Network;
  readonly electionTimeoutMs: number;
  /** Those that are written to after the copy; in others nothing may have been promised since. */
  readonly groups: ReadonlySet<GroupId>;
}

/** See the module comment: the steps of the drawing, in their order. */
export class PutBack {
  readonly #options: PutBackOptions;
  readonly #victim: SimMachine;
  readonly #copy: DiskCopy;
  /** The term of each group after the first write. */
  #terms: ReadonlyMap<GroupId, Term> = new Map();
  #witness: SimMachine | undefined;
  #untilMs = Infinity;

  /** Copies the disk of a machine that has some witness; `undefined` if none has. */
  static begin(options: PutBackOptions): PutBack | undefined {
    const { fleet, world } = options;
    const candidates = fleet.serving().filter((machine) => witnessesOf(machine, options).length > 0);
    if (candidates.length === 0) return undefined;
    const victim = world.random.pick(candidates);
    victim.kill();
    const copy = victim.disk.copy();
    victim.start();
    return new PutBack(options, victim, copy);
  }

  private constructor(options: PutBackOptions, victim: SimMachine, copy: DiskCopy) {
    this.#options = options;
    this.#victim = victim;
    this.#copy = copy;
  }

  /** Every partition has been written to once. */
  noteTerms(): void {
    this.#terms = this.#currentTerms();
  }

  /** Every partition has been written to again, and all replicas are equal. */
  putBack(): void {
    const { random } = this.#options.world;
    // What was acknowledged to a leader is on its disk after the next write, if it still leads then.
    const groups = new Set(
      [...this.#currentTerms()].filter(([group, term]) =>
        this.#terms.get(group) === term && this.#options.groups.has(group)
      ).map(([group]) => group),
    );
    const lasting = witnessesOf(this.#victim, { ...this.#options, groups });
    const mayRestart = lasting.length > 0;
    const witness = random.pick(mayRestart ? lasting : witnessesOf(this.#victim, this.#options));
    this.#witness = witness;
    this.#victim.kill();
    this.#victim.putBack(this.#copy);
    if (!mayRestart || !random.chance(RESTART_PERCENT)) return;
    witness.kill();
    witness.start();
  }

  #currentTerms(): ReadonlyMap<GroupId, Term> {
    const replicas = this.#victim.node?.status().replicas ?? [];
    return new Map(replicas.map(({ group, term }) => [group, term]));
  }

  get isWitnessUp(): boolean {
    return this.#witness?.node !== undefined;
  }

  /** The node starts on the older disk, and hears its witness only. */
  meet(): void {
    const { electionTimeoutMs, fleet, network, world } = this.#options;
    const own = this.#victim.id;
    for (const { id } of fleet.machines) {
      if (id === own || id === this.#witness?.id) continue;
      network.cut({ from: id, to: own });
      network.cut({ from: own, to: id });
    }
    this.#victim.start();
    this.#untilMs = world.nowMs + NOTICE_TIMEOUTS * electionTimeoutMs;
  }

  /** Whether the node has ended with the verdict, or had enough time to. */
  get isOver(): boolean {
    return this.#victim.state === "lost" || this.#options.world.nowMs > this.#untilMs;
  }

  /** @throws {Error} when it serves on */
  mustHaveEnded(): void {
    const { id, state } = this.#victim;
    if (state !== "lost") {
      throw new Error(
        `node ${id} is ${state} on an older state of its disk, and has met ${this.#witness?.id}`,
      );
    }
  }
}

/**
 * Those that hold a promise of `machine` from the last write to some partition: the leader of those that it
 * follows, and the followers of those that it leads.
 */
function witnessesOf(machine: SimMachine, { fleet, groups }: PutBackOptions): readonly SimMachine[] {
  const views = (machine.node?.status().replicas ?? []).filter(({ group, membership }) =>
    groups.has(group) && membership.voters.includes(machine.id)
  );
  const ids: readonly NodeId[] = views.flatMap(({ leader, membership }) =>
    leader === machine.id ? membership.voters : [leader]
  );
  const others = [...new Set(ids)].filter((id) => id !== NO_NODE && id !== machine.id);
  return others.map((id) => fleet.machine(id)).filter(({ node }) => node !== undefined);
}
