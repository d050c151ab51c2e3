/**
 * The way of a client's calls to the nodes and back. Calls and answers are delayed and lost; a node that is
 * down refuses, one that dies breaks its connections or leaves its callers without a word.
 *
 * @module
 */

import type { UnaryCall, UnaryCaller } from "../../../client/transport/caller.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { SimMachine } from "../machines/machine.ts";
import type { SimProcess } from "../machines/process.ts";
import type { Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";

/** Where a call's answer goes, once at most. */
interface OpenCall {
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** What the way of the calls depends on. */
interface ClientLinkParts {
  readonly weather: Weather;
  readonly machines: readonly SimMachine[];
}

/** See the module comment. */
export class ClientLink implements UnaryCaller {
  weather: Weather;
  /** Where the balancer sends reads for the moment; anywhere if `undefined`. */
  favourite: SimMachine | undefined;
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #machines: readonly SimMachine[];
  readonly #open = new Map<SimProcess, Set<OpenCall>>();

  constructor(
    world: World,
    parts: ClientLinkParts,
  ) {
    this.#world = world;
    this.#random = world.fork();
    this.weather = parts.weather;
    this.#machines = parts.machines;
  }

  call(call: UnaryCall): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const machine = this.#machines.find(({ id }) => call.address === `http://${addressOf(id)}`);
      if (machine === undefined) return reject(new Error(`no route to ${call.address}`));
      this.#world.trace.bytes(call.body);
      if (this.#isLost()) return;
      const body = call.body.slice();
      this.#after(
        `call to ${machine.id}`,
        () => this.#arrive(machine, { ...call, body }, { resolve, reject }),
      );
    });
  }

  #arrive(machine: SimMachine, call: UnaryCall, open: OpenCall): void {
    const { process } = machine;
    if (process === undefined) return this.#fail(open, `connection to node ${machine.id} refused`);
    this.#note(process, open);
    process.admit("is called", () => {
      const { caller } = machine;
      if (caller === undefined) return this.#fail(open, `node ${machine.id} is not serving`);
      caller(call).then(
        (response) => this.#answer(process, open, () => open.resolve(response)),
        (error) => this.#answer(process, open, () => open.reject(error)),
      );
    });
  }

  /** An answer leaves the node. */
  #answer(process: SimProcess, open: OpenCall, deliver: () => void): void {
    if (!process.isAlive) return;
    this.#open.get(process)?.delete(open);
    if (!this.#isLost()) this.#after("answer", deliver);
  }

  #fail(open: OpenCall, reason: string): void {
    this.#after("refusal", () => open.reject(new Error(reason)));
  }

  /** Calls at a node that dies hear of it, or not. */
  #note(process: SimProcess, open: OpenCall): void {
    let calls = this.#open.get(process);
    if (calls === undefined) {
      const own = new Set<OpenCall>();
      calls = own;
      this.#open.set(process, own);
      process.onceEnded(() => {
        this.#open.delete(process);
        for (const each of own) if (this.#random.chance(70)) this.#fail(each, "connection reset");
      });
    }
    calls.add(open);
  }

  #isLost(): boolean {
    return this.#random.chance(this.weather.clientLossPercent);
  }

  #after(what: string, run: () => void): void {
    const delayMs = (50 + this.#random.below(this.weather.delayMsMax * 300)) / 1_000;
    this.#world.plan(delayMs, what, run);
  }
}

/** What a balancer picks from, and how. */
interface BalancerOptions {
  readonly random: SeededRandom;
  readonly machines: readonly SimMachine[];
}

/** A caller that sends every call to any node, which then has to forward it. */
export function balanced(
  link: ClientLink,
  options: BalancerOptions,
): UnaryCaller {
  return {
    call: (call) => {
      const anyone = options.random.pick(options.machines);
      const { id } = call.readOnly ? link.favourite ?? anyone : anyone;
      return link.call({ ...call, address: `http://${addressOf(id)}`, direct: false });
    },
  };
}
