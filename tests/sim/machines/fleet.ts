/**
 * All machines of a run: those the cluster was founded with, and those that joined later. The machine of node
 * i stands at position i − 1, whatever has become of it.
 *
 * @module
 */

import type { NodeId } from "../../../raft/mod.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { World } from "../world/world.ts";
import { type MachineWatcher, SimMachine, type SimMachineOptions } from "./machine.ts";
import type { Network } from "./network.ts";

/** What all machines have in common. */
export interface FleetOptions {
  readonly world: World;
  readonly network: Network;
  readonly watcher: MachineWatcher;
  readonly settings: Omit<SimMachineOptions, "nodeId" | "origin" | "clockRate">;
  readonly driftPercentMax: number;
}

/** How the cluster is founded. */
export interface Foundation {
  readonly nodeCount: number;
  readonly partitionCount: number;
  readonly replicationFactor: number;
}

/** See the module comment. */
export class Fleet {
  readonly machines: readonly SimMachine[];
  readonly #machines: SimMachine[] = [];
  readonly #options: FleetOptions;

  constructor(options: FleetOptions, foundation: Foundation) {
    this.#options = options;
    this.machines = this.#machines;
    const { nodeCount, ...rest } = foundation;
    const ids = Array.from({ length: nodeCount }, (_, at) => at + 1);
    const shape = { ...rest, nodes: new Map(ids.map((id) => [id, addressOf(id)])) };
    for (const _ of ids) this.add({ shape });
  }

  /** The id of the next machine. */
  get nextId(): NodeId {
    return this.#machines.length + 1;
  }

  machine(id: NodeId): SimMachine {
    return this.#machines[id - 1]!;
  }

  /** Machines with a node that is open. */
  serving(): readonly SimMachine[] {
    return this.#machines.filter(({ node }) => node !== undefined);
  }

  /** One more machine, which is down. */
  add(origin: SimMachineOptions["origin"]): SimMachine {
    const { world, network, watcher, settings, driftPercentMax } = this.#options;
    const clockRate = 1 + driftPercentMax / 100 * (world.random.below(2_001) / 1_000 - 1);
    const options = { ...settings, nodeId: this.nextId, origin, clockRate };
    const machine = new SimMachine({ world, network, watcher, options });
    this.#machines.push(machine);
    return machine;
  }
}
