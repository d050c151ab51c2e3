/**
 * The network between the nodes: batches travel as bytes, made and read by the product's own codec. Each
 * direction of each pair is a link for itself, which can be cut or clogged; what travels is lost, doubled,
 * delayed and overtaken as the weather says. Where the weather has streams, a batch that is lost takes its
 * whole stream with it (`stream.ts`): it stays dead, also when the link is sound again, until its sender
 * gives it up and opens another one.
 *
 * @module
 */

import { WireWriter } from "../../../proto/mod.ts";
import type { Message, NodeId } from "../../../raft/mod.ts";
import type { Identity } from "../../../server/data/data_directory.ts";
import type { Node } from "../../../server/node/node.ts";
import type { Inbox } from "../../../server/node/inbox.ts";
import { decodePeerBatch, encodePeerBatch } from "../../../server/peers/codec.ts";
import { answerLimitMs } from "../../../server/peers/answer_watch.ts";
import type { PeerHost } from "../../../server/peers/service.ts";
import type { PeerBatch } from "../../../server/ports/peer_batch.ts";
import type { Answerer } from "../../../server/ports/ports.ts";
import { addressOf } from "../../support/cluster/node_address.ts";
import type { Promises } from "../checks/promises.ts";
import type { Weather } from "../world/weather.ts";
import type { World } from "../world/world.ts";
import type { SimProcess } from "./process.ts";
import { SimStream } from "./stream.ts";

/** Longest time until a node learns that a stream broke, when it learns it at all. */
const NOTICE_MS_MAX = 300;
/** Longest time until a broken stream is open again. */
const RECONNECT_MS_MAX = 200;
/** One answer speaks for all that has arrived for so long. */
const ANSWER_EVERY_MS = 20;
/** A sender looks at its streams so many times within the limit for answers. */
const CHECKS_PER_LIMIT = 4;

/** A process that can be sent to. */
export interface Station {
  readonly process: SimProcess;
  readonly inbox: Inbox;
  readonly host: PeerHost & Pick<Node, "clusterId"> & { readonly identity: Pick<Identity, "clusterId"> };
}

/** One direction between two nodes. */
interface Link {
  isCut: boolean;
  /** What waits for the clog to go, oldest first; `undefined` while it flows. */
  clogged: { readonly sentMs: number; readonly carry: () => void }[] | undefined;
  /** When what was sent last arrives. */
  lastMs: number;
}

/** What is on its way, and what happens when it is there. */
interface Parcel {
  readonly delayMs: number;
  readonly arrive: () => void;
}

/** What the network belongs to. */
export interface NetworkOptions {
  readonly weather: Weather;
  readonly promises: Promises;
  readonly electionTimeoutMs: number;
}

/** One direction of a pair. */
export interface Route {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** See the module comment. */
export class Network {
  #weather: Weather;
  /** Told of each message before it leaves. */
  onMessage: (message: Message) => void = () => {};
  readonly #world: World;
  readonly #promises: Promises;
  readonly #stations = new Map<NodeId, Station>();
  readonly #links = new Map<string, Link>();
  /** Those that are open, by their route; none unless the weather has streams. */
  readonly #streams = new Map<string, SimStream>();
  readonly #answerLimitMs: number;

  constructor(world: World, { weather, promises, electionTimeoutMs }: NetworkOptions) {
    this.#world = world;
    this.#weather = weather;
    this.#promises = promises;
    this.#answerLimitMs = answerLimitMs(electionTimeoutMs);
  }

  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather: Weather) {
    const hadStreams = this.#weather.hasStreams;
    this.#weather = weather;
    if (!hadStreams) this.#openAll();
  }

  /** Puts a process whose node is open on the network; it leaves with the end of its process. */
  attach(nodeId: NodeId, station: Station): void {
    this.#stations.set(nodeId, station);
    station.process.onceEnded(() => {
      if (this.#stations.get(nodeId) === station) this.#stations.delete(nodeId);
      for (const peer of this.#stations.keys()) this.#loseStream(peer, nodeId);
    });
    for (const peer of this.#stations.keys()) {
      if (peer === nodeId) continue;
      // What was open led to the process that was here before.
      this.#streams.delete(nameOf({ from: peer, to: nodeId }));
      this.#streams.delete(nameOf({ from: nodeId, to: peer }));
      this.#connect(nodeId, peer);
    }
  }

  /** False: the batch is certainly lost. */
  send(route: Route, batch: PeerBatch): boolean {
    for (const message of batch.messages) {
      this.#promises.hear(message);
      this.onMessage(message);
    }
    const station = this.#stations.get(route.to);
    const { hasStreams } = this.weather;
    // Only a sender that holds a stream can know that it is broken.
    if (station === undefined) return !hasStreams;
    return hasStreams
      ? this.#sendOnStream(route, { station, batch })
      : this.#sendAlone(route, { station, batch });
  }

  #sendAlone(route: Route, { station, batch }: Sending): boolean {
    if (this.#link(route).isCut) return true;
    const bytes = this.#encode(batch);
    const { random } = this.#world;
    const { lossPercent, duplicationPercent } = this.weather;
    if (random.chance(lossPercent)) return true;
    const copies = random.chance(duplicationPercent) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const arrive = () => this.#arrive(route, { station, bytes });
      this.#carry(route, { delayMs: this.#drawDelay(), arrive });
    }
    return true;
  }

  #sendOnStream(route: Route, { station, batch }: Sending): boolean {
    const stream = this.#streams.get(nameOf(route));
    if (stream === undefined) return false;
    const number = stream.send(this.#world.nowMs);
    this.#watch(route, stream);
    if (this.#link(route).isCut) stream.hasGap = true;
    if (stream.hasGap) return true;
    const bytes = this.#encode(batch);
    const onTaken = () => {
      stream.take(number);
      this.#answerSoon(route, stream);
    };
    const arrive = () => this.#arrive(route, { station, bytes, onTaken });
    this.#carry(route, { delayMs: this.#drawDelay(), arrive });
    return true;
  }

  /** The receiver says what has arrived, over the link back. */
  #answerSoon(route: Route, stream: SimStream): void {
    if (stream.isAnswerDue) return;
    stream.isAnswerDue = true;
    this.#world.plan(ANSWER_EVERY_MS, `${nameOf(route)} answers`, () => {
      stream.isAnswerDue = false;
      const back = { from: route.to, to: route.from };
      if (this.#link(back).isCut) stream.hasAnswerGap = true;
      if (stream.hasAnswerGap) return;
      const { taken } = stream;
      const hear = () => stream.watch.noteAnswer(taken, this.#world.nowMs);
      const arrive = () => this.#stations.get(route.from)?.process.admit("hears an answer", hear);
      this.#carry(back, { delayMs: this.#drawDelay(), arrive });
    });
  }

  /** The sender looks at its stream while something is not answered, and gives it up if it is dead. */
  #watch(route: Route, stream: SimStream): void {
    const process = this.#stations.get(route.from)?.process;
    if (stream.isWatched || process === undefined) return;
    stream.isWatched = true;
    const dueMs = this.#world.nowMs + this.#answerLimitMs / CHECKS_PER_LIMIT;
    process.plan(dueMs - this.#world.nowMs, `looks at ${nameOf(route)}`, () => {
      const { nowMs } = this.#world;
      stream.isWatched = false;
      if (this.#streams.get(nameOf(route)) !== stream) return;
      stream.watch.excuse(nowMs - dueMs);
      if (stream.watch.isDead(nowMs)) this.#giveUp(route);
      else if (stream.watch.isWaiting) this.#watch(route, stream);
    });
  }

  #encode(batch: PeerBatch): Uint8Array {
    const writer = new WireWriter();
    encodePeerBatch(writer, batch);
    const bytes = writer.finish();
    this.#world.trace.bytes(bytes);
    return bytes;
  }

  /** As far as it can be reached at all: who asks, asks at once. */
  whoIsAt(address: string): Answerer {
    const nodeId = [...this.#stations.keys()].find((id) => addressOf(id) === address);
    if (nodeId === undefined) return { kind: "nobody", reason: "nothing runs there" };
    return { kind: "node", nodeId, clusterId: this.#stations.get(nodeId)!.host.clusterId };
  }

  /** Who can be reached at a node's address, if anything runs there. */
  stationOf(nodeId: NodeId): Station | undefined {
    return this.#stations.get(nodeId);
  }

  /**
   * Carries something that belongs to no stream, as a connection of its own does: it is lost for itself, and
   * holds up nothing.
   */
  carryApart(
    route: Route,
    { bytes, arrive }: { readonly bytes: Uint8Array; readonly arrive: () => void },
  ): void {
    this.#world.trace.bytes(bytes);
    const { random } = this.#world;
    if (this.#link(route).isCut || random.chance(this.weather.lossPercent)) return;
    const copies = random.chance(this.weather.duplicationPercent) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) this.#carryOne(route, { delayMs: this.#drawDelay(), arrive });
  }

  #carryOne(route: Route, parcel: Parcel): void {
    const { clogged } = this.#link(route);
    const carry = () => this.#carryOne(route, parcel);
    if (clogged !== undefined) clogged.push({ sentMs: this.#world.nowMs, carry });
    else this.#world.plan(parcel.delayMs, `${nameOf(route)} apart`, parcel.arrive);
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
    if (this.weather.hasStreams) this.#openBoth(route);
    else this.#connect(route.from, route.to);
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

  #carry(route: Route, parcel: Parcel): void {
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
    this.#world.plan(arrivesMs - nowMs, nameOf(route), parcel.arrive);
  }

  #arrive(route: Route, { station: sentTo, bytes, onTaken }: Arrival): void {
    // A stream ends with the process; a packet finds the process that is at the address now.
    const station = this.weather.hasStreams ? sentTo : this.#stations.get(route.to);
    if (station === undefined || !station.process.isAlive || !this.#isAdmitted(route, station)) return;
    // What is decoded keeps views of the bytes, and a copy of a batch must not share them.
    const { batch } = decodePeerBatch(bytes.slice(), route);
    station.process.admit(`hears ${route.from}`, () => {
      station.inbox.push({ kind: "peerBatch", from: route.from, batch });
      onTaken?.();
    });
  }

  /** The cluster that node `to` sees is another one: it tells those whose streams it takes no more. */
  endRemoved(to: NodeId): void {
    const host = this.#stations.get(to)?.host;
    for (const from of this.#stations.keys()) {
      if (from === to || host?.hasRemoved(from) !== true || !this.#streams.has(nameOf({ from, to }))) {
        continue;
      }
      this.#tellRemoved({ from, to });
    }
  }

  /** A node hears its peers; to one that was removed it says so. */
  #isAdmitted(route: Route, { host }: Station): boolean {
    const { from } = route;
    if (host.admits(from, addressOf(from))) return true;
    if (host.hasRemoved(from)) this.#tellRemoved(route);
    return false;
  }

  #tellRemoved({ from, to }: Route): void {
    const sender = this.#stations.get(from);
    // With the notice the stream ends.
    this.#streams.delete(nameOf({ from, to }));
    const delayMs = this.#world.random.below(NOTICE_MS_MAX);
    sender?.process.plan(
      delayMs,
      "hears of its removal",
      () => sender.inbox.push({ kind: "removed", by: to }),
    );
  }

  #connect(one: NodeId, other: NodeId): void {
    if (this.weather.hasStreams) return this.#openBoth({ from: one, to: other });
    this.#tell(one, { kind: "peerConnected", peer: other }, RECONNECT_MS_MAX);
    this.#tell(other, { kind: "peerConnected", peer: one }, RECONNECT_MS_MAX);
  }

  #openAll(): void {
    for (const from of this.#stations.keys()) {
      for (const to of this.#stations.keys()) if (from !== to) this.#open({ from, to });
    }
  }

  #openBoth({ from, to }: Route): void {
    this.#open({ from, to });
    this.#open({ from: to, to: from });
  }

  /** Opens a stream if there is none, as soon as packets pass both ways; a link that is healed asks again. */
  #open(route: Route): void {
    if (!this.#canOpen(route)) return;
    const { process } = this.#stations.get(route.from)!;
    process.plan(this.#world.random.below(RECONNECT_MS_MAX), `opens ${nameOf(route)}`, () => {
      if (!this.#canOpen(route)) return;
      if (this.#stations.get(route.to)!.host.hasRemoved(route.from)) return this.#tellRemoved(route);
      this.#streams.set(nameOf(route), new SimStream(this.#answerLimitMs, this.#world.nowMs));
      this.#stations.get(route.from)?.inbox.push({ kind: "peerConnected", peer: route.to });
    });
  }

  #canOpen({ from, to }: Route): boolean {
    if (!this.#stations.has(from) || !this.#stations.has(to)) return false;
    if (this.#link({ from, to }).isCut || this.#link({ from: to, to: from }).isCut) return false;
    return !this.#streams.has(nameOf({ from, to }));
  }

  #giveUp(route: Route): void {
    this.#streams.delete(nameOf(route));
    this.#stations.get(route.from)?.inbox.push({ kind: "peerLost", peer: route.to });
    this.#open(route);
  }

  /** The sender learns that its stream is broken. */
  #loseStream(nodeId: NodeId, peer: NodeId): void {
    if (!this.weather.hasStreams) return this.#tell(nodeId, { kind: "peerLost", peer }, NOTICE_MS_MAX);
    const route = { from: nodeId, to: peer };
    const stream = this.#streams.get(nameOf(route));
    const delayMs = this.#world.random.below(NOTICE_MS_MAX);
    this.#stations.get(nodeId)?.process.plan(delayMs, `loses ${nameOf(route)}`, () => {
      if (this.#streams.get(nameOf(route)) === stream) this.#giveUp(route);
    });
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

  #link(route: Route): Link {
    const name = nameOf(route);
    let link = this.#links.get(name);
    if (link === undefined) {
      link = { isCut: false, clogged: undefined, lastMs: 0 };
      this.#links.set(name, link);
    }
    return link;
  }
}

/** A batch that has come as far as its receiver. */
interface Arrival {
  readonly station: Station;
  readonly bytes: Uint8Array;
  /** The process has taken it in. */
  readonly onTaken?: () => void;
}

/** A batch, and who is there to take it. */
interface Sending {
  readonly station: Station;
  readonly batch: PeerBatch;
}

function nameOf({ from, to }: Route): string {
  return `${from}>${to}`;
}
