/**
 * The reads that wait at one replica: at a leader for a round of heartbeats, at a follower for its leader's
 * answer.
 *
 * @module
 */

import type { Random } from "./random.ts";
import type { LogIndex, NodeId } from "./types.ts";

/** The replica and the read that wait for an index. */
export interface ReadOrigin {
  /** The leader itself, or the follower that asked. */
  readonly node: NodeId;
  readonly readId: number;
}

/** Reads that wait for the same confirmation of leadership. */
export interface ReadRound {
  readonly round: number;
  /** The commit index when the round was opened, or the floor if that is higher. */
  readonly readIndex: LogIndex;
  readonly origins: readonly ReadOrigin[];
}

/** The reads of a leader (§6.4 of the thesis). */
export class LeaderReads {
  /** Not yet in a round: asked in this turn, or before an entry of the leader's own term was committed. */
  waiting: ReadOrigin[] = [];
  /** Open rounds, the oldest first. */
  rounds: ReadRound[] = [];
  /** Invariant: only grows, over all terms; a number is never given to a second round. */
  lastRound = 0;
  /** Reads in `waiting` and `rounds`. */
  count = 0;
  /**
   * No round opened from now on is answered from a state below this index; the host may raise it above what
   * is committed. 0 at the start of a leadership. Invariant: within one, it only grows, and the log holds it.
   */
  floor: LogIndex = 0;
}

/** One question to the leader, for all reads of a turn. */
export interface ForwardedQuestion {
  readonly questionId: number;
  readonly readIds: readonly number[];
  readonly askedAt: number;
}

/** Question ids between the starting points that two runs of a process may draw. */
const QUESTION_IDS_PER_PROCESS = 2 ** 20;

/** The reads of a follower. */
export class ForwardedReads {
  /** Asked in this turn. */
  gathering: number[] = [];
  /** Under way, the oldest first. */
  asked: ForwardedQuestion[] = [];
  /** Reads in `gathering` and `asked`. */
  count = 0;
  #lastQuestionId: number;

  /**
   * Question ids start at a random number: an answer that was under way when this process ended must not be
   * taken for the answer to a question of its next run, for its index may be older than writes that were
   * acknowledged since.
   */
  constructor(random: Random) {
    this.#lastQuestionId = random.next() * QUESTION_IDS_PER_PROCESS;
  }

  nextQuestionId(): number {
    this.#lastQuestionId++;
    return this.#lastQuestionId;
  }
}
