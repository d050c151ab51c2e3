/**
 * A client that goes where two nodes may both believe that they lead a partition: it writes at the one and
 * reads at the other, again and again. Other clients find one leader and stay with it, so they hardly ever
 * ask both in time.
 *
 * @module
 */

import type { UnaryCall, UnaryCaller } from "../../../client/transport/caller.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { World } from "../world/world.ts";
import type { Workload } from "./workload.ts";

/** How long the probe waits for an answer, in milliseconds: one of the two does not answer for long. */
export const PROBE_TIMEOUT_MS = 40;

/** Where two nodes may both lead, and for how long to ask them. */
export interface ProbeTarget {
  readonly partitionId: number;
  readonly writesAt: SimMachine;
  readonly readsAt: SimMachine;
  readonly forMs: number;
}

/** See the module comment. */
export class SplitBrainProbe implements UnaryCaller {
  readonly #world: World;
  readonly #link: UnaryCaller;
  #target: ProbeTarget | undefined;

  /** Sends its calls over `link`. */
  constructor(world: World, link: UnaryCaller) {
    this.#world = world;
    this.#link = link;
  }

  /** At a target every call goes to one of its two nodes, for that node to answer and not to forward. */
  call(call: UnaryCall): Promise<Uint8Array> {
    if (this.#target === undefined) return this.#link.call(call);
    const { readsAt, writesAt } = this.#target;
    const { id } = call.readOnly ? readsAt : writesAt;
    return this.#link.call({ ...call, address: `http://${addressOf(id)}`, direct: true });
  }

  /** Asks `target` with `workload`, whose client's caller this is; stays where it is at another. */
  async go(target: ProbeTarget, workload: Workload): Promise<void> {
    if (this.#target !== undefined) return;
    this.#target = target;
    const untilMs = this.#world.nowMs + target.forMs;
    while (this.#world.nowMs < untilMs) {
      await workload.writeAndRead(target.partitionId);
      // An answer may come in no time at all, and time must go on.
      await new Promise<void>((resolve) => void this.#world.plan(1, "probe", resolve));
    }
    this.#target = undefined;
  }
}
