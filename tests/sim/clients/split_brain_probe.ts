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

/** How long the scout waits for an answer, in milliseconds: one of the two does not answer for long. */
export const SCOUT_TIMEOUT_MS = 40;

/** Where to go, and for how long. */
export interface Mission {
  readonly partitionId: number;
  readonly writesAt: SimMachine;
  readonly readsAt: SimMachine;
  readonly forMs: number;
}

/** See the module comment. */
export class Scout implements UnaryCaller {
  readonly #world: World;
  readonly #link: UnaryCaller;
  #mission: Mission | undefined;

  /** Sends its calls over `link`. */
  constructor(world: World, link: UnaryCaller) {
    this.#world = world;
    this.#link = link;
  }

  /** On a mission every call goes to one of its two nodes, for that node to answer and nobody else. */
  call(call: UnaryCall): Promise<Uint8Array> {
    if (this.#mission === undefined) return this.#link.call(call);
    const { readsAt, writesAt } = this.#mission;
    const { id } = call.readOnly ? readsAt : writesAt;
    return this.#link.call({ ...call, address: `http://${addressOf(id)}`, direct: true });
  }

  /** Goes on `mission` with `workload`, whose client's caller this is; stays if it is on another. */
  async go(mission: Mission, workload: Workload): Promise<void> {
    if (this.#mission !== undefined) return;
    this.#mission = mission;
    const untilMs = this.#world.nowMs + mission.forMs;
    while (this.#world.nowMs < untilMs) {
      await workload.writeAndRead(mission.partitionId);
      // An answer may come in no time at all, and time must go on.
      await new Promise<void>((resolve) => void this.#world.plan(1, "scout", resolve));
    }
    this.#mission = undefined;
  }
}
