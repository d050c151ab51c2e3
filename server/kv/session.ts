/**
 * Which writes have taken effect, and with what outcome, so that a retried write does not take effect again
 * (§6.3 of Ongaro's thesis). Part of the replicated state: every replica forgets the same outcomes at the
 * same entry.
 *
 * An outcome is kept until one of these happens:
 *
 * - its client acknowledges it;
 * - the client has 4,096 younger outcomes here;
 * - the client has been silent for 15 minutes of replicated time;
 * - 65,536 other clients have been seen since.
 *
 * After one of the first two, a retry is told that the outcome is forgotten, and does not take effect. After
 * one of the last two the whole session is gone, and a retry is a new write; clients give up long before,
 * their longest deadline is five minutes.
 *
 * @module
 */

import type { Outcome } from "./outcome.ts";
import type { RequestId } from "./types.ts";

/** Clients remembered in one partition. */
export const SESSIONS_MAX = 65_536;
/** Outcomes kept for one client. */
export const SESSION_RESULTS_MAX = 4_096;
/** Replicated time after which a silent client is forgotten, in milliseconds (15 minutes). */
export const SESSION_AGE_MS_MAX = 900_000;

/**
 * What is counted for memory. Measured with V8's heap statistics, 60,000 sessions and 200,000 outcomes: 352
 * bytes for a session with one outcome, 91 for a further one; what an outcome lists comes on top.
 */
const SESSION_MEMORY_BYTES = 288;
const OUTCOME_MEMORY_BYTES = 128;
const FAILURE_MEMORY_BYTES = 48;
const EXISTED_MEMORY_BYTES = 8;
/** Measured alike, of an outcome with one number of 20 characters. */
const NUMBER_MEMORY_BYTES = 144;

interface Session {
  /** Outcomes by sequence, in the order in which the writes were applied. */
  readonly results: Map<number, Outcome>;
  /** Outcomes of sequences below this one may be forgotten already. */
  forgottenBelow: number;
  lastSeenMs: number;
}

/** The sessions of one partition. */
export class Sessions {
  /** Least recently seen first. */
  readonly #sessions = new Map<string, Session>();
  #outcomeBytes = 0;

  /** Bytes of memory that all of it takes. */
  get memoryBytes(): number {
    return this.#sessions.size * SESSION_MEMORY_BYTES + this.#outcomeBytes;
  }

  /** Clients remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** The outcome of an earlier write of this id, `undefined` if the write is new. */
  find(requestId: RequestId): Outcome | undefined {
    const session = this.#sessions.get(requestId.clientId);
    if (session === undefined) return undefined;
    const known = session.results.get(requestId.sequence);
    if (known !== undefined) return known;
    return requestId.sequence < session.forgottenBelow ? { kind: "forgotten" } : undefined;
  }

  /** Remembers the outcome of a write and forgets what its client has acknowledged. */
  remember(requestId: RequestId, outcome: Outcome, nowMs: number): void {
    const session = this.#touch(requestId.clientId, nowMs);
    session.results.set(requestId.sequence, outcome);
    this.#outcomeBytes += memoryBytesOf(outcome);
    session.forgottenBelow = Math.max(session.forgottenBelow, requestId.acknowledgedBelow);
    this.#outcomeBytes -= forgetAcknowledged(session);
    this.#evict(nowMs);
  }

  /** Everything remembered, in an order that all replicas share; for state hashes. */
  *entries(): Generator<readonly [clientId: string, sequence: number, outcome: Outcome]> {
    for (const [clientId, session] of this.#sessions) {
      for (const [sequence, outcome] of session.results) yield [clientId, sequence, outcome];
    }
  }

  #touch(clientId: string, nowMs: number): Session {
    const session = this.#sessions.get(clientId) ?? { results: new Map(), forgottenBelow: 0, lastSeenMs: 0 };
    session.lastSeenMs = nowMs;
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, session);
    return session;
  }

  #evict(nowMs: number): void {
    for (const [clientId, session] of this.#sessions) {
      const isOld = nowMs - session.lastSeenMs > SESSION_AGE_MS_MAX;
      if (!isOld && this.#sessions.size <= SESSIONS_MAX) return;
      for (const outcome of session.results.values()) this.#outcomeBytes -= memoryBytesOf(outcome);
      this.#sessions.delete(clientId);
    }
  }
}

/** Returns the bytes of memory that are free now. */
function forgetAcknowledged(session: Session): number {
  let bytes = 0;
  for (const [sequence, outcome] of session.results) {
    const isDone = sequence < session.forgottenBelow;
    if (!isDone && session.results.size <= SESSION_RESULTS_MAX) break;
    session.results.delete(sequence);
    bytes += memoryBytesOf(outcome);
    if (!isDone) session.forgottenBelow = Math.max(session.forgottenBelow, sequence + 1);
  }
  return bytes;
}

function memoryBytesOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case "applied":
      return OUTCOME_MEMORY_BYTES + EXISTED_MEMORY_BYTES * outcome.existed.length +
        NUMBER_MEMORY_BYTES * (outcome.numbers?.length ?? 0);
    case "refused":
    case "notNumbers":
      return OUTCOME_MEMORY_BYTES + FAILURE_MEMORY_BYTES * outcome.failures.length;
    case "forgotten":
      return OUTCOME_MEMORY_BYTES;
  }
}
