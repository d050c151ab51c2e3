/**
 * A cluster of real processes between whose nodes every link can be cut, in each direction for itself: for
 * each ordered pair of nodes there is a proxy, and each node is told that its peers are where its own proxies
 * are.
 *
 * ```
 * node 1 ── proxy 1→2 ──▶ node 2        what 1 says to 2: its stream of messages
 * node 1 ◀── proxy 2→1 ── node 2        what 2 says to 1, on a stream of its own
 * ```
 *
 * Clients reach every node directly: `caller` takes them to the node itself where a node names one of its
 * proxies.
 *
 * @module
 */

import type { UnaryCaller } from "../../../client/transport/caller.ts";
import { fetchCaller } from "../../../client/transport/fetch_caller.ts";
import { CuttableProxy, type LinkState } from "./cuttable_proxy.ts";
import { freePort } from "./free_port.ts";
import { ProcessCluster, type ProcessClusterOptions } from "./process_cluster.ts";

/** One direction between two nodes, and what it is to do. */
interface LinkSetting {
  readonly from: number;
  readonly to: number;
  readonly state: LinkState;
}

/** One direction between two nodes. */
interface LinkEnds {
  readonly from: number;
  readonly to: number;
}

/** See the module comment. */
export class ProxiedCluster {
  /** The processes; to be started, stopped and asked like any cluster's. */
  readonly processes: ProcessCluster;
  readonly #proxies: ReadonlyMap<string, CuttableProxy>;
  /** Base URLs of nodes by the base URL of a proxy in front of them. */
  readonly #behind: ReadonlyMap<string, string>;

  private constructor(processes: ProcessCluster, proxies: ReadonlyMap<string, CuttableProxy>) {
    this.processes = processes;
    this.#proxies = proxies;
    this.#behind = new Map(
      [...proxies].map(([name, { address }]) => [`http://${address}`, processes.address(toOf(name))]),
    );
  }

  /**
   * Starts a cluster and puts the proxies in.
   *
   * @throws {Error} as `ProcessCluster.start`; everything started has been cleaned up then
   */
  static async start(options: Omit<ProcessClusterOptions, "peerAddress">): Promise<ProxiedCluster> {
    const proxies = new Map<string, CuttableProxy>();
    // The first start is without proxies: nodes know that they belong together by what they are told then.
    const processes = await ProcessCluster.start({
      ...options,
      peerAddress: ({ from, to, address }) => proxies.get(nameOf(from, to))?.address ?? address,
    });
    try {
      for (const from of processes.ids) {
        for (const to of processes.ids.filter((id) => id !== from)) {
          const targetPort = Number(new URL(processes.address(to)).port);
          proxies.set(nameOf(from, to), CuttableProxy.open({ port: freePort(), targetPort }));
        }
      }
      await processes.killAll("SIGTERM");
      await Promise.all(processes.ids.map((id) => processes.restart(id)));
      await processes.waitReady();
      return new ProxiedCluster(processes, proxies);
    } catch (error) {
      await closeAll(processes, proxies);
      throw error;
    }
  }

  /** Sets what node `from` says to node `to`, and only that. */
  setLink(
    { from, to, state }: LinkSetting,
  ): void {
    const proxy = this.#proxies.get(nameOf(from, to));
    if (proxy === undefined) throw new RangeError(`There is no link from node ${from} to node ${to}`);
    proxy.set(state);
  }

  /** Cuts all links, in both directions, between the nodes of `ids` and all others. */
  isolate(ids: readonly number[], state: Exclude<LinkState, "passing"> = "hanging"): void {
    for (const name of this.#proxies.keys()) {
      const from = fromOf(name);
      const to = toOf(name);
      if (ids.includes(from) !== ids.includes(to)) this.setLink({ from, to, state });
    }
  }

  /**
   * Lets everything vanish that node `from` sends to node `to`, on its own stream and as answers on that of
   * the other; the connections over which it was sent stay dead when the links are mended.
   */
  drop({ from, to }: LinkEnds): void {
    this.#proxies.get(nameOf(from, to))!.drop("forward");
    this.#proxies.get(nameOf(to, from))!.drop("backward");
  }

  /** Mends all links. */
  heal(): void {
    for (const proxy of this.#proxies.values()) {
      proxy.set("passing");
      proxy.dropNothing();
    }
  }

  /** Bytes that have passed from node `from`'s connections to node `to`. */
  passedBytes({ from, to }: LinkEnds): number {
    return this.#proxies.get(nameOf(from, to))?.passedBytes ?? 0;
  }

  /** How clients of this cluster call: past the proxies. */
  caller(): UnaryCaller {
    const inner = fetchCaller();
    return {
      call: (call) => inner.call({ ...call, address: this.#behind.get(call.address) ?? call.address }),
    };
  }

  /** Ends everything. Safe to call twice. */
  async close(): Promise<void> {
    await closeAll(this.processes, this.#proxies);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function closeAll(
  processes: ProcessCluster,
  proxies: ReadonlyMap<string, CuttableProxy>,
): Promise<void> {
  await processes.close();
  await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
}

function nameOf(from: number, to: number): string {
  return `${from} ${to}`;
}

function fromOf(name: string): number {
  return Number(name.split(" ")[0]);
}

function toOf(name: string): number {
  return Number(name.split(" ")[1]);
}
