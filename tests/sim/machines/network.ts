/**
 * The network between the nodes: batches travel as bytes, made and read by the product's own codec. Each
 * direction of each pair is a link for itself, which can be cut or clogged; what travels is lost, doubled,
 * delayed and overtaken as the weather says.
 *
 * @module
 */

import { WireWriter } from "../../../proto/mod.ts";
import type { Message, NodeId } from "../../../raft/mod.ts";
import type { NodeApi, PeerStatus } from "../../../server/api/node_api.ts";
import type { Inbox } from "../../../server/node/inbox.ts";
import { decodePeerBatch, encodePeerBatch } from "../../../server/peers/codec.ts";
import type { PeerHost } from "../../../server/peers/service.ts";
import type { PeerBatch } from "../../../server/ports/peer_batch.ts";
import type { Answerer, PeerTransport } from "../../../server/ports/ports.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { Promises } from "../checks/promises.ts";
import type { Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";
import type { SimProcess } from "./process.ts";

/** Longest time until a node learns that a stream broke, when it learns it at all. */
const NOTICE_MS_MAX = 300;
/** Longest time until a broken stream is open again. */
const RECONNECT_MS_MAX = 200;

/** A process that can be sent to. */
export interface Station {
  readonly process: SimProcess;
  readonly inbox: Inbox;
  readonly host: PeerHost & Pick<NodeApi, "clusterId">;
}

/** One direction between two nodes. */
interface Link {
  isCut: boolean;
  /** What waits for the clog to go, oldest first; `undefined` while it flows. */
  clogged: { readonly sentMs: number; readonly carry: () => void }[] | undefined;
  /** When what was sent last arrives. */
  lastMs: number;
}

/** One direction of a pair. */
export interface Route {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** See the module comment. */
export class Network {
  weather: Weather;
  /** Told of each message before it leaves. */
  onMessage: (message: Message) => void = () => {};
  readonly #world: World;
  readonly #promises: Promises;
  readonly #stations = new Map<NodeId, Station>();
  readonly #links = new Map<string, Link>();

  constructor(
    world: World,
    parts: { readonly weather: Weather; readonly promises: Promises },
  ) {
    this.#world = world;
    this.weather = parts.weather;
    this.#promises = parts.promises;
  }

  /** The way out of a process. */
  createTransport(nodeId: NodeId, process: SimProcess): PeerTransport {
    return new SimulatedTransport({ nodeId, network: this, process });
  }

  /** Puts a process whose node is open on the network; it leaves with the end of its process. */
  attach(nodeId: NodeId, station: Station): void {
    this.#stations.set(nodeId, station);
    station.process.onceEnded(() => {
      if (this.#stations.get(nodeId) === station) this.#stations.delete(nodeId);
      for (const peer of this.#stations.keys()) this.#loseStream(peer, nodeId);
    });
    for (const peer of this.#stations.keys()) {
      if (peer !== nodeId) this.#connect(nodeId, peer);
    }
  }

  /** False: the batch is certainly lost. */
  send(route: Route, batch: PeerBatch): boolean {
    for (const message of batch.messages) {
      this.#promises.hear(message);
      this.onMessage(message);
    }
    const station = this.#stations.get(route.to);
    const { hasStreams, lossPercent, duplicationPercent } = this.weather;
    // Only a sender that holds a stream can know that it is broken.
    if (station === undefined) return !hasStreams;
    if (this.#link(route).isCut) return true;
    const writer = new WireWriter();
    encodePeerBatch(writer, batch);
    const bytes = writer.finish();
    this.#world.trace.bytes(bytes);
    const { random } = this.#world;
    if (hasStreams) this.#carry(route, { station, bytes, delayMs: this.#drawDelay() });
    else if (!random.chance(lossPercent)) {
      const copies = random.chance(duplicationPercent) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        this.#carry(route, { station, bytes, delayMs: this.#drawDelay() });
      }
    }
    return true;
  }

  /** As far as it can be reached at all: who asks, asks at once. */
  whoIsAt(address: string): Answerer {
    const nodeId = [...this.#stations.keys()].find((id) => addressOf(id) === address);
    if (nodeId === undefined) return { kind: "nobody", reason: "nothing runs there" };
    return { kind: "node", nodeId, clusterId: this.#stations.get(nodeId)!.host.clusterId };
  }

  isCut(route: Route): boolean {
    return this.#link(route).isCut;
  }

  /** Loses everything that is sent in this direction from now on; both sides may notice. */
  cut(route: Route): void {
    const link = this.#link(route);
    if (link.isCut) return;
    link.isCut = true;
    if (this.#world.random.chance(50)) this.#loseStream(route.from, route.to);
    if (this.#world.random.chance(50)) this.#loseStream(route.to, route.from);
  }

  heal(route: Route): void {
    const link = this.#link(route);
    if (!link.isCut) return;
    link.isCut = false;
    this.#connect(route.from, route.to);
  }

  /** Holds back what is sent in this direction until the clog is gone. */
  clog(route: Route): void {
    this.#link(route).clogged ??= [];
  }

  /** Lets go what was sent before `sentBeforeMs`; everything, from now on too, unless that is given. */
  unclog(route: Route, sentBeforeMs = Infinity): void {
    const link = this.#link(route);
    const waiting = link.clogged ?? [];
    link.clogged = undefined;
    for (const { sentMs, carry } of waiting) if (sentMs < sentBeforeMs) carry();
    if (sentBeforeMs < Infinity) link.clogged = waiting.filter(({ sentMs }) => sentMs >= sentBeforeMs);
  }

  /** Everything flows again. */
  healAll(): void {
    for (const name of this.#links.keys()) {
      const [from, to] = name.split(">").map(Number);
      this.heal({ from: from!, to: to! });
      this.unclog({ from: from!, to: to! });
    }
  }

  #carry(
    route: Route,
    parcel: { readonly station: Station; readonly bytes: Uint8Array; readonly delayMs: number },
  ): void {
    const link = this.#link(route);
    if (link.clogged !== undefined) {
      link.clogged.push({ sentMs: this.#world.nowMs, carry: () => this.#carry(route, parcel) });
      return;
    }
    const { nowMs } = this.#world;
    const arrivesMs = this.weather.hasStreams
      ? Math.max(nowMs + parcel.delayMs, link.lastMs)
      : nowMs + parcel.delayMs;
    link.lastMs = arrivesMs;
    this.#world.plan(arrivesMs - nowMs, `${route.from}>${route.to}`, () => this.#arrive(route, parcel));
  }

  #arrive(route: Route, parcel: { readonly station: Station; readonly bytes: Uint8Array }): void {
    // A stream ends with the process; a packet finds the process that is at the address now.
    const station = this.weather.hasStreams ? parcel.station : this.#stations.get(route.to);
    if (station === undefined || !station.process.isAlive || !this.#isAdmitted(route, station)) return;
    // What is decoded keeps views of the bytes, and a copy of a batch must not share them.
    const { batch } = decodePeerBatch(parcel.bytes.slice(), route);
    station.process.admit(`hears ${route.from}`, () => {
      station.inbox.push({ kind: "peerBatch", from: route.from, batch });
    });
  }

  /** A node hears its peers; to one that was removed it says so. */
  #isAdmitted({ from, to }: Route, { host }: Station): boolean {
    if (host.admits(from, addressOf(from))) return true;
    const sender = this.#stations.get(from);
    if (host.hasRemoved(from) && sender !== undefined) {
      const delayMs = this.#world.random.below(NOTICE_MS_MAX);
      sender.process.plan(
        delayMs,
        "hears of its removal",
        () => sender.inbox.push({ kind: "removed", by: to }),
      );
    }
    return false;
  }

  #connect(one: NodeId, other: NodeId): void {
    this.#tell(one, { kind: "peerConnected", peer: other }, RECONNECT_MS_MAX);
    this.#tell(other, { kind: "peerConnected", peer: one }, RECONNECT_MS_MAX);
  }

  #loseStream(nodeId: NodeId, peer: NodeId): void {
    this.#tell(nodeId, { kind: "peerLost", peer }, NOTICE_MS_MAX);
  }

  #tell(
    nodeId: NodeId,
    news: { readonly kind: "peerConnected" | "peerLost"; readonly peer: NodeId },
    delayMsMax: number,
  ): void {
    const station = this.#stations.get(nodeId);
    const delayMs = this.#world.random.below(delayMsMax);
    station?.process.plan(delayMs, `${news.kind} ${news.peer}`, () => station.inbox.push(news));
  }

  /** Mostly short, sometimes long, as real delays are. */
  #drawDelay(): number {
    const { random } = this.#world;
    const most = this.weather.delayMsMax * 1_000;
    return (50 + random.below(random.chance(80) ? most / 10 + 1 : most)) / 1_000;
  }

  #link({ from, to }: Route): Link {
    const name = `${from}>${to}`;
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { isCut: false, clogged: undefined, lastMs: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

/** The port of one process. */
class SimulatedTransport implements PeerTransport {
  readonly #nodeId: NodeId;
  readonly #network: Network;
  readonly #process: SimProcess;
  /** Also former ones: what is meant for them may still leave. */
  readonly #peers = new Set<NodeId>();

  constructor(parts: { readonly nodeId: NodeId; readonly network: Network; readonly process: SimProcess }) {
    this.#nodeId = parts.nodeId;
    this.#network = parts.network;
    this.#process = parts.process;
  }

  setPeers(peers: ReadonlyMap<NodeId, readonly string[]>): void {
    for (const peer of peers.keys()) this.#peers.add(peer);
  }

  whoIsAt(address: string): Promise<Answerer> {
    return Promise.resolve(this.#network.whoIsAt(address));
  }

  send(to: NodeId, batch: PeerBatch): boolean {
    const isPossible = this.#process.isAlive && this.#peers.has(to);
    return isPossible && this.#network.send({ from: this.#nodeId, to }, batch);
  }

  statuses(): readonly PeerStatus[] {
    return [];
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
