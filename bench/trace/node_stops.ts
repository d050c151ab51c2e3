/**
 * The stops that running nodes have recorded, asked of each through its metrics port.
 *
 * @module
 */

import type { Stop, StopsSince } from "../../server/stops/mod.ts";
import { Timeline } from "./timeline.ts";

/** Where operators look at a node, by its id, as in `http://127.0.0.1:9091`. */
export type OpsAddresses = ReadonlyMap<number, string>;

/** Reads what has been recorded since it was last asked. */
export class NodeStops {
  readonly #addresses: OpsAddresses;
  readonly #next = new Map<number, number>();

  constructor(addresses: OpsAddresses) {
    this.#addresses = addresses;
  }

  /**
   * All stops since the last look.
   *
   * @throws {Error} when a node has forgotten some of them, or tells none
   */
  async take(): Promise<ReadonlyMap<number, Timeline>> {
    const timelines = new Map<number, Timeline>();
    for (const [id, address] of this.#addresses) {
      timelines.set(id, new Timeline(await this.#ask(id, address)));
    }
    return timelines;
  }

  /** They are told page by page. */
  async #ask(id: number, address: string): Promise<readonly Stop[]> {
    const all: Stop[] = [];
    for (;;) {
      const response = await fetch(`${address}/stops?since=${this.#next.get(id) ?? 0}`);
      if (!response.ok) throw new Error(`Node ${id} records no stops: ${await response.text()}`);
      const { stops, forgotten, next, count } = await response.json() as StopsSince;
      if (this.#next.has(id) && forgotten > 0) throw new Error(`Node ${id} has forgotten ${forgotten} stops`);
      this.#next.set(id, next);
      for (const stop of stops) all.push(stop);
      if (next === count) return all;
    }
  }
}
