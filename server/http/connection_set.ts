/**
 * The connections of a listener, and their bound: when it is reached, one of them makes room for a new one,
 * so that connections that only stand there cannot keep others out. These go, in this order:
 *
 * 1. without an open request, and never was one completed: the oldest
 * 2. without an open request: the one for which that has been so for longest
 * 3. their first request is open: the oldest
 * 4. all others are at work: one of the newest, whose places pass from newcomer to newcomer while the others
 *    keep theirs
 *
 * So nobody is refused: a newcomer may be a peer, which nobody can tell before it has spoken, and without
 * their peers partitions have no leader. Connections of callers who have shown who they are stand outside the
 * bound and never go.
 *
 * Looking at all of them takes milliseconds when they are many, so it is done at the bound only, for several
 * newcomers at once; what it has found is tried again when it is used.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import type { HttpContext } from "./limits.ts";
import type { HttpConnection } from "./protocol.ts";

const logger = getLogger(["prkdb", "server"]);

/** All connections are looked at again after one newcomer for so many of them, */
const SURVEY_SHARE = 16;
/** or after so long. */
const SURVEY_MS = 100;
/** So many of the next to go are kept at least. */
const LISTED_MIN = 64;

/** Of the newest connections, so many, and at most this share of the bound, go when all are at work. */
const NEWEST_MAX = 64;
const NEWEST_SHARE = 1 / 4;

/** A connection that can be ended at once. */
export interface EndableConnection extends HttpConnection {
  /** Closes it, whatever is under way. */
  end(): void;
}

/** See the module comment. */
export class ConnectionSet {
  readonly #context: HttpContext;
  /** Oldest first. */
  readonly #all = new Set<EndableConnection>();
  /** Those that came since the last survey, oldest first. */
  readonly #newcomers = new Set<EndableConnection>();
  /** Who goes next, as the last survey found, the very next one last. */
  #listed: Ranked[] = [];
  /** Of the last survey. */
  #trusted = 0;
  #surveyedMs = -Infinity;
  /** How often room was asked for since. */
  #askedSince = 0;
  #isDraining = false;
  #wakeDrain: (() => void) | undefined;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** Whether there is room for one more connection, made if need be. */
  makeRoom(): boolean {
    const { connectionsMax } = this.#context.limits;
    if (this.#all.size < connectionsMax) return true;
    this.#surveyIfDue();
    return this.#all.size - this.#trusted < connectionsMax || this.#evict();
  }

  /** Ends one connection, as at the bound; `false` if there is none that may be ended. */
  evictOne(): boolean {
    this.#surveyIfDue();
    return this.#evict();
  }

  #evict(): boolean {
    this.#context.meters.observeLimit("connections");
    // Whoever was there at the survey and never completed a request is older than all newcomers.
    const next = this.#takeListed(RANK_NEVER) ?? this.#takeNewcomer() ?? this.#takeListed(Infinity) ??
      this.#oldestOfNewest();
    if (next === undefined) return false;
    next.end();
    this.#forget(next);
    return true;
  }

  /** Looks at all connections, unless that was done a short while, and few evictions, ago. */
  #surveyIfDue(): void {
    const { size } = this.#all;
    const nowMs = performance.now();
    const isDue = ++this.#askedSince * SURVEY_SHARE >= size || nowMs - this.#surveyedMs >= SURVEY_MS;
    if (!isDue) return;
    this.#askedSince = 0;
    this.#surveyedMs = nowMs;
    this.#newcomers.clear();
    this.#trusted = 0;
    const ranked: Ranked[] = [];
    for (const connection of this.#all) {
      if (connection.isTrusted) this.#trusted++;
      const rank = evictionRank(connection);
      if (rank < Infinity) ranked.push({ connection, rank });
    }
    // The order of equals stays: the older goes first. What is not needed until the next survey is not kept.
    ranked.sort((one, other) => one.rank < other.rank ? -1 : one.rank > other.rank ? 1 : 0);
    this.#listed = ranked.slice(0, Math.max(LISTED_MIN, 2 * size / SURVEY_SHARE)).reverse();
  }

  /** The next of the list, if it still is what it was then and its rank is not above `rankMax`. */
  #takeListed(rankMax: number): EndableConnection | undefined {
    for (let next = this.#listed.at(-1); next !== undefined; next = this.#listed.at(-1)) {
      if (next.rank > rankMax) return undefined;
      this.#listed.pop();
      const { connection, rank } = next;
      if (this.#all.has(connection) && evictionRank(connection) <= rank) return connection;
    }
    return undefined;
  }

  #oldestOfNewest(): EndableConnection | undefined {
    const places = Math.min(NEWEST_MAX, Math.ceil(this.#context.limits.connectionsMax * NEWEST_SHARE));
    return [...this.#all].filter(({ isTrusted }) => !isTrusted).at(-places);
  }

  #takeNewcomer(): EndableConnection | undefined {
    for (const connection of this.#newcomers) {
      this.#newcomers.delete(connection);
      if (evictionRank(connection) === RANK_NEVER) return connection;
    }
    return undefined;
  }

  /** Serves `connection` until it ends. */
  add(connection: EndableConnection): void {
    this.#all.add(connection);
    this.#newcomers.add(connection);
    this.#context.meters.observeConnections(1);
    void this.#serve(connection);
    if (this.#isDraining) connection.drain();
  }

  /** Ends them all in peace; resolves when none is left. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const connection of this.#all) connection.drain();
    if (this.#all.size === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#wakeDrain;
      this.#wakeDrain = () => {
        before?.();
        resolve();
      };
    });
  }

  async #serve(connection: EndableConnection): Promise<void> {
    try {
      await connection.serve();
    } catch (error) {
      logger.error("A connection failed unexpectedly: {error}", { error: String(error) });
      connection.end();
    }
    this.#forget(connection);
  }

  #forget(connection: EndableConnection): void {
    if (!this.#all.delete(connection)) return;
    this.#newcomers.delete(connection);
    if (this.#trusted > 0 && connection.isTrusted) this.#trusted--;
    this.#context.meters.observeConnections(-1);
    if (this.#all.size === 0) this.#wakeDrain?.();
  }
}

/** A connection and its rank when all were looked at. */
interface Ranked {
  readonly connection: EndableConnection;
  readonly rank: number;
}

/** Never completed a request and has none open. */
const RANK_NEVER = -Infinity;
/** Idle for less than a round of the patrol: behind all that are idle for longer. */
const RANK_JUST_IDLE = Number.MAX_VALUE / 2;
/** Its first request is open. */
const RANK_FIRST_REQUEST = Number.MAX_VALUE;

/** The lower, the earlier it goes, of equals the older; infinite if never. See the module comment. */
function evictionRank({ isTrusted, hasCompletedRequest, idleSinceMs }: EndableConnection): number {
  if (isTrusted) return Infinity;
  if (!hasCompletedRequest) return idleSinceMs === undefined ? RANK_FIRST_REQUEST : RANK_NEVER;
  return idleSinceMs === undefined ? Infinity : Math.min(idleSinceMs, RANK_JUST_IDLE);
}
