/**
 * Requests for snapshots and their answers on the simulated network: as bytes, made, judged and answered by
 * the product's own service. Either is lost, doubled and held up as other traffic is; a request that is not
 * answered, because something was lost or the process that was asked is gone, rejects when its time is over.
 *
 * @module
 */

import { isUndrawn, undrawnId } from "../../../server/data/cluster_id.ts";
import type { SnapshotAnswer, SnapshotRequest } from "../../../server/ports/snapshot_exchange.ts";
import { SNAPSHOT_ANSWER_LIMIT_MS } from "../../../server/snapshot/snapshot_caller.ts";
import { decodeSnapshotAnswer, encodeSnapshotCall } from "../../../server/snapshot/snapshot_codec.ts";
import { answerSnapshotCall } from "../../../server/snapshot/snapshot_service.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { Network, Route, Station } from "./network.ts";
import type { SimProcess } from "./process.ts";

/** What it is made from. */
export interface SnapshotExchangeOptions {
  readonly network: Network;
  /** Of those who ask. */
  readonly process: SimProcess;
}

/** A request that is to be answered. */
interface Asked {
  readonly route: Route;
  readonly bytes: Uint8Array;
  readonly hear: (answer: SnapshotAnswer) => void;
}

/** See the module comment. */
export class SnapshotExchange {
  readonly #network: Network;
  readonly #process: SimProcess;

  constructor({ network, process }: SnapshotExchangeOptions) {
    this.#network = network;
    this.#process = process;
  }

  /** Settles within the process that asks, and never once that is gone. */
  ask(route: Route, request: SnapshotRequest): Promise<SnapshotAnswer> {
    const { from, to } = route;
    const clusterId = saidBy(this.#network.stationOf(from)?.host);
    const bytes = encodeSnapshotCall({ clusterId, from, to, address: addressOf(from), request });
    return new Promise((resolve, reject) => {
      const limit = this.#process.plan(SNAPSHOT_ANSWER_LIMIT_MS, "waits for a snapshot no more", () => {
        reject(new Error(`node ${to} does not answer`));
      });
      const hear = (answer: SnapshotAnswer) => {
        limit.isCancelled = true;
        resolve(answer);
      };
      this.#network.carryApart(route, { bytes, arrive: () => this.#arrive({ route, bytes, hear }) });
    });
  }

  #arrive(asked: Asked): void {
    const station = this.#network.stationOf(asked.route.to);
    station?.process.admit("is asked for a snapshot", () => void this.#answer(station, asked));
  }

  async #answer({ host, process }: Station, { route, bytes, hear }: Asked): Promise<void> {
    const place = { host, nodeId: route.to, clusterId: knownTo(host) };
    const answer = await answerSnapshotCall(bytes.slice(), place).catch(() => undefined);
    // A process that is gone, or whose service fails, says nothing.
    if (answer === undefined || !process.isAlive) return;
    const back = { from: route.to, to: route.from };
    const take = () => hear(decodeSnapshotAnswer(answer.slice()));
    const arrive = () => this.#process.admit("hears of a snapshot", take);
    this.#network.carryApart(back, { bytes: answer, arrive });
  }
}

/** The cluster's id as a node says it: half of it before it has heard of the founding. */
function saidBy(host: Station["host"] | undefined): string {
  return host === undefined ? "" : host.clusterId || host.identity.clusterId;
}

function knownTo({ clusterId }: Station["host"]) {
  const matches = (id: string) => id === clusterId || (isUndrawn(id) && undrawnId(clusterId) === id);
  return { value: clusterId, isSettled: clusterId !== "", matches };
}
