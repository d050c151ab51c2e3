/**
 * What the client knows of the cluster: its nodes, its partitions and their leaders. A pure table: answers
 * of nodes go in, the place to send a call comes out; asking is the work of `discovery.ts`.
 *
 * Answers about a partition are ordered by term: a higher term replaces what is known, a lower one is
 * ignored, and within a term a known leader is never replaced by an unknown one. So an isolated node that
 * still believes in an old leader cannot mislead the client for long.
 *
 * Invariant: `partitions` is ordered by hash range, and partition i of N owns the i-th equal cut of the hash
 * space, so that `partitionOfKey` finds it.
 *
 * @module
 */

import { type GetMetadataResponse, HASH_SPACE, hashRangeStart, partitionOfKey } from "../../proto/mod.ts";
import {
  type CallFailure,
  type ClientClock,
  type LeaderHint,
  NotFoundedError,
  PrkDbError,
} from "../transport/mod.ts";

/**
 * How long a node that did not answer is avoided. Short, because avoiding a leader costs a forwarding hop;
 * long enough that a burst of calls does not try the silent node one by one.
 */
const SUSPECT_MIN_MS = 1_000;

/**
 * The time doubles with every failure after it, up to this: a node may be out of this client's reach for
 * good.
 */
const SUSPECT_MAX_MS = 30_000;

/** Nodes that were members once and may still answer, remembered for discovery. */
const FORMER_MAX = 64;

/**
 * One partition as far as the client knows it. Lanes and batches hold on to it, so it is changed in place.
 */
export interface PartitionRoute {
  readonly partitionId: number;
  /** Base URL, `undefined` when no leader is known. */
  leaderAddress: string | undefined;
  term: number;
  /** Base URLs of the nodes that hold a replica, the preferred leader first. */
  replicas: readonly string[];
  /**
   * Its last call failed as calls do during an election. New calls then wait for one another, not for other
   * partitions.
   */
  troubled: boolean;
}

/** Where a call goes. */
export interface Target {
  readonly address: string;
  /** Whether the node is asked as the leader, so that it answers NOT_LEADER instead of forwarding. */
  readonly direct: boolean;
}

/** Which replicas of a partition may be asked. */
export interface ReplicaChoice {
  /** Not its leader, if another replica can be had. */
  readonly withoutLeader: boolean;
}

/** What a node says about the leader of a partition. */
interface LeaderNews {
  readonly leaderAddress: string | undefined;
  readonly term: number;
}

/** A node that did not answer. */
interface Suspicion {
  readonly untilMs: number;
  /** For how long, in milliseconds. */
  readonly spanMs: number;
}

/** See the module comment. */
export class Routes {
  readonly #clock: ClientClock;
  readonly #seeds: readonly string[];
  /** In front of the `host:port` of metadata: the scheme of the first seed. */
  readonly #scheme: string;
  readonly #suspects = new Map<string, Suspicion>();
  #clusterId = "";
  #epoch = -1n;
  #nodes: readonly string[] = [];
  /** Base URLs of the members by their ids. */
  readonly #urls = new Map<number, string>();
  /** Nodes of earlier metadata that are not among `#nodes`, the latest last. */
  #former: readonly string[] = [];
  #partitions: readonly PartitionRoute[] = [];
  #latest: GetMetadataResponse | undefined;
  #turn = 0;
  #isUnfounded = false;

  /** @param seeds base URLs, at least one */
  constructor(seeds: readonly string[], clock: ClientClock) {
    this.#seeds = seeds;
    this.#clock = clock;
    this.#scheme = seeds[0]!.slice(0, seeds[0]!.indexOf("://") + 3);
  }

  /** In the order of their hash ranges; empty before the first answer. */
  get partitions(): readonly PartitionRoute[] {
    return this.#partitions;
  }

  /** Of the cluster whose metadata was taken in first; empty before. */
  get clusterId(): string {
    return this.#clusterId;
  }

  /** Whether the node that answered last said that its cluster is not founded yet. */
  get isUnfounded(): boolean {
    return this.#isUnfounded;
  }

  /** Base URLs of all nodes. */
  get nodes(): readonly string[] {
    return this.#nodes;
  }

  /** The base URLs that were given. */
  get seeds(): readonly string[] {
    return this.#seeds;
  }

  /** Base URLs of all nodes, then of seeds that are not among them, then of nodes that were members once. */
  get addresses(): readonly string[] {
    return [...new Set([...this.#nodes, ...this.#seeds, ...this.#former])];
  }

  /** Whether `address` is that of a node in the metadata. */
  isMember(address: string): boolean {
    return this.#nodes.includes(address);
  }

  /** The last metadata taken in. */
  get latest(): GetMetadataResponse {
    if (this.#latest === undefined) throw new Error("Cannot show the metadata: no node has answered yet");
    return this.#latest;
  }

  /** The route of the partition that owns `key`. */
  routeOf(key: Uint8Array): PartitionRoute {
    return this.#partitions[partitionOfKey(key, this.#partitions.length)]!;
  }

  /**
   * Takes in what a node says about the cluster.
   *
   * @throws {PrkDbError} when it is another cluster than before, or one whose partitions this client cannot
   *   map
   */
  learn(metadata: GetMetadataResponse): void {
    this.#checkCluster(metadata);
    const addresses = new Map(metadata.nodes.map((node) => [node.nodeId, this.#urlOf(node)]));
    const news = [...metadata.partitions].sort((a, b) => a.hashStart - b.hashStart);
    if (this.#partitions.length === 0) {
      this.#partitions = mustBeEqualCut(news).map(({ partitionId }) => newRoute(partitionId));
    } else if (news.length !== this.#partitions.length) {
      throw unusableError(`it has ${news.length} partitions instead of ${this.#partitions.length}`);
    }
    this.#latest = metadata;
    const current = metadata.epoch >= this.#epoch;
    if (current) {
      this.#epoch = metadata.epoch;
      this.#learnNodes(addresses);
    }
    for (const [position, { leaderId, replicas, term }] of news.entries()) {
      const route = this.#partitions[position]!;
      if (current) route.replicas = replicas.flatMap((nodeId) => addresses.get(nodeId) ?? []);
      const leaderAddress = addresses.get(leaderId);
      // An older view may have the right leader at an address that it has left.
      const isSettled = !current && Number(term) === route.term && route.leaderAddress !== undefined;
      if (!isSettled) this.#learnLeader(route, { leaderAddress, term: Number(term) });
    }
  }

  /** Takes in the detail of a NOT_LEADER answer about `route`; returns whether it names a new leader. */
  learnHint(route: PartitionRoute, hint: LeaderHint): boolean {
    const before = route.leaderAddress;
    // Nodes know one another by addresses that need not be those that clients are told.
    const told = hint.leaderAddress === "" ? undefined : this.#scheme + hint.leaderAddress;
    const leaderAddress = this.#urls.get(hint.leaderId) ?? told;
    this.#learnLeader(route, { leaderAddress, term: hint.term });
    return route.leaderAddress !== undefined && route.leaderAddress !== before;
  }

  /** Avoids `address` for a while. Failures of calls that were under way together count as one. */
  suspect(address: string): void {
    if (this.isSuspect(address)) return;
    const before = this.#suspects.get(address);
    const spanMs = before === undefined ? SUSPECT_MIN_MS : Math.min(before.spanMs * 2, SUSPECT_MAX_MS);
    this.#suspects.set(address, { untilMs: this.#clock.now() + spanMs, spanMs });
  }

  /**
   * Takes in that a call to `address` failed so: what does not answer is avoided for a while, what belongs to
   * another cluster for long.
   */
  noteFailure(address: string, { kind }: Pick<CallFailure, "kind">): void {
    if (kind === "unreachable") return this.suspect(address);
    if (kind !== "wrongCluster") return;
    this.#suspects.set(address, { untilMs: this.#clock.now() + SUSPECT_MAX_MS, spanMs: SUSPECT_MAX_MS });
  }

  /** `address` has answered. */
  trust(address: string): void {
    if (this.#suspects.size > 0) this.#suspects.delete(address);
  }

  isSuspect(address: string): boolean {
    const suspicion = this.#suspects.get(address);
    return suspicion !== undefined && suspicion.untilMs > this.#clock.now();
  }

  /** The leader of `route`, directly; while it is unknown or suspect, another replica, which forwards. */
  leaderOf(route: PartitionRoute): Target {
    const leader = route.leaderAddress;
    if (leader !== undefined && !this.isSuspect(leader)) return { address: leader, direct: true };
    return { address: this.#other(route, leader), direct: false };
  }

  /**
   * Any replica of `route`, each in its turn, for reads that need no leader.
   */
  replicaOf(route: PartitionRoute, options: ReplicaChoice): Target {
    return {
      address: this.#other(route, options.withoutLeader ? route.leaderAddress : undefined),
      direct: false,
    };
  }

  /** A node that answers, each in its turn, for calls that any node takes; else a seed that does. */
  anyNode(): string {
    return this.#choose([this.#nodes, this.#seeds], undefined);
  }

  /**
   * A replica that answers; else any node that does, which forwards too; else a seed; else the next of all.
   */
  #other(route: PartitionRoute, avoided: string | undefined): string {
    return this.#choose([route.replicas, this.#nodes, this.#seeds], avoided);
  }

  /**
   * From the first of `circles` that has a node which answers. A seed may be a node that was removed, so it
   * comes last.
   */
  #choose(circles: readonly (readonly string[])[], avoided: string | undefined): string {
    const isHealthy = (address: string) => address !== avoided && !this.isSuspect(address);
    const healthy = circles.map((circle) => circle.filter(isHealthy)).find((circle) => circle.length > 0);
    const choice = healthy ?? this.addresses;
    return choice[this.#turn++ % choice.length]!;
  }

  #urlOf({ address, clientUrl }: GetMetadataResponse["nodes"][number]): string {
    return clientUrl === "" ? this.#scheme + address : clientUrl;
  }

  #learnNodes(urls: ReadonlyMap<number, string>): void {
    this.#urls.clear();
    for (const [nodeId, url] of urls) this.#urls.set(nodeId, url);
    const nodes = [...urls.values()];
    const left = [...this.#former, ...this.#nodes].filter((address) => !nodes.includes(address));
    this.#former = [...new Set(left)].slice(-FORMER_MAX);
    this.#nodes = nodes;
    const known = new Set(this.addresses);
    for (const address of this.#suspects.keys()) if (!known.has(address)) this.#suspects.delete(address);
  }

  #learnLeader(route: PartitionRoute, news: LeaderNews): void {
    const newer = news.term > route.term;
    if (!newer && (news.term < route.term || news.leaderAddress === undefined)) return;
    // A leader of a new term has been elected since its node was found silent, so it is worth a try.
    if (newer && news.leaderAddress !== undefined) this.trust(news.leaderAddress);
    route.term = news.term;
    route.leaderAddress = news.leaderAddress;
  }

  #checkCluster({ clusterId, partitions }: GetMetadataResponse): void {
    this.#isUnfounded = clusterId === "";
    if (this.#isUnfounded) throw new NotFoundedError("its cluster is not founded yet");
    if (partitions.length === 0) throw unusableError("it knows of no partitions yet, so try again later");
    if (this.#clusterId === "") this.#clusterId = clusterId;
    if (clusterId !== this.#clusterId) {
      throw unusableError(
        `its cluster is "${clusterId}" and not "${this.#clusterId}", so check the addresses`,
      );
    }
  }
}

function newRoute(partitionId: number): PartitionRoute {
  return { partitionId, leaderAddress: undefined, term: -1, replicas: [], troubled: false };
}

/** `partitions` themselves, if they are the equal cut of the hash space that `partitionOfKey` presumes. */
function mustBeEqualCut(partitions: GetMetadataResponse["partitions"]): GetMetadataResponse["partitions"] {
  for (const [position, { hashStart, hashEnd }] of partitions.entries()) {
    const start = hashRangeStart(position, partitions.length);
    const last = position + 1 === partitions.length;
    const end = last ? HASH_SPACE : hashRangeStart(position + 1, partitions.length);
    if (hashStart !== start || Number(hashEnd) !== end) {
      throw unusableError(
        `partition ${position} owns [${hashStart}, ${hashEnd}) instead of [${start}, ${end})`,
      );
    }
  }
  return partitions;
}

function unusableError(reason: string): PrkDbError {
  return new PrkDbError("unavailable", `Cannot use the metadata of this node: ${reason}`);
}
