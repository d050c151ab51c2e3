/**
 * Looks for an order of one key's operations that respects time and makes every answer right: the search of
 * Wing and Gong with Lowe's memory of what was tried (same operations done, same state reached: nothing new
 * to find).
 *
 * What the contract knows beyond a plain register makes the search short. Each rule below leaves out only
 * orders for which another order, which is still tried, is as good:
 *
 * - Versions never go down, so operations whose answers tell a version come in the order of these.
 * - A read that fits and teaches nothing new is done at once: it disturbs nobody, now or later.
 * - An operation without an answer is used only to explain the operation right after it. If that one would
 *   overwrite it unseen, or come to the same without it, it might as well never have happened.
 * - A value that is still to be read, and that nobody will write again, is not replaced.
 *
 * @module
 */

import { BitSet } from "./bit_set.ts";
import type { Candidate } from "./candidate.ts";
import { EventList } from "./event_list.ts";
import { OperationLedger } from "./ledger.ts";
import { apply, INITIAL, isSameState, type State } from "./register.ts";

/** Where the search got furthest before it knew that nothing fits. */
export interface DeadEnd {
  /** What had been put in order by then, in that order. */
  readonly done: readonly Candidate[];
  readonly state: State;
  /** What could have come next by time. */
  readonly enabled: readonly Candidate[];
  /** The one that had to come before any other call; it is among `enabled`. */
  readonly firstToReturn: Candidate | undefined;
  /** The lowest version that is told by what is not yet done belongs to this one. */
  readonly nextByVersion: Candidate | undefined;
}

/** What the search came to. */
export type SearchResult =
  | { readonly kind: "found"; readonly order: readonly Candidate[]; readonly steps: number }
  | { readonly kind: "none"; readonly deadEnd: DeadEnd; readonly steps: number }
  /** The bound of steps was reached. */
  | { readonly kind: "gaveUp"; readonly steps: number };

/** The state, and what it would be without the optional operation that came last. */
interface Node extends State {
  readonly unexplained: State | undefined;
}

/** One way on. */
interface Move {
  readonly candidate: Candidate;
  readonly node: Node;
}

/** A place in the search, with the ways on that have not been tried. */
interface Frame {
  readonly reachedBy: Candidate | undefined;
  readonly node: Node;
  readonly moves: readonly Move[];
  tried: number;
}

/**
 * Searches for an order of `candidates`.
 *
 * @param stepsMax how many ways on to try before giving up
 */
export function searchOrder(candidates: readonly Candidate[], stepsMax: number): SearchResult {
  return new Search(candidates).run(stepsMax);
}

class Search {
  readonly #events: EventList;
  readonly #ledger: OperationLedger;
  /** Operations that must be done, by the version they tell. */
  readonly #ranked: readonly Candidate[];
  readonly #required: number;
  readonly #done: BitSet;
  readonly #seen = new Set<string>();
  readonly #frames: Frame[] = [];
  #doneRequired = 0;
  #doneRanked = 0;
  #furthest = -1;
  #deadEnd: DeadEnd | undefined;

  constructor(candidates: readonly Candidate[]) {
    this.#events = new EventList(candidates);
    this.#ledger = new OperationLedger(candidates);
    this.#done = new BitSet(candidates.length);
    this.#required = candidates.filter(({ isOptional }) => !isOptional).length;
    this.#ranked = candidates.filter(({ rank }) => rank !== undefined).sort((a, b) => a.rank! - b.rank!);
  }

  run(stepsMax: number): SearchResult {
    this.#frames.push(this.#frameAt({ ...INITIAL, unexplained: undefined }));
    let steps = 0;
    while (this.#doneRequired < this.#required) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return { kind: "none", deadEnd: this.#deadEnd!, steps };
      const move = frame.moves[frame.tried++];
      if (move === undefined) this.#goBack();
      else if (steps++ === stepsMax) return { kind: "gaveUp", steps: stepsMax };
      else this.#goOn(move);
    }
    return { kind: "found", order: this.#order(), steps };
  }

  #goOn({ candidate, node }: Move): void {
    this.#events.takeOut(candidate);
    this.#ledger.takeOut(candidate);
    this.#done.add(candidate.id);
    if (!candidate.isOptional) this.#doneRequired++;
    if (candidate.rank !== undefined) this.#doneRanked++;
    this.#frames.push(this.#frameAt(node, candidate));
  }

  #goBack(): void {
    const candidate = this.#frames.pop()!.reachedBy;
    if (candidate === undefined) return;
    if (candidate.rank !== undefined) this.#doneRanked--;
    if (!candidate.isOptional) this.#doneRequired--;
    this.#done.remove(candidate.id);
    this.#ledger.putBack(candidate);
    this.#events.putBack(candidate);
  }

  #frameAt(node: Node, reachedBy?: Candidate): Frame {
    const isNew = this.#isNew(node);
    const moves = isNew ? this.#movesFrom(node) : [];
    const frame = { reachedBy, node, moves, tried: 0 };
    if (isNew && moves.length === 0) this.#noteDeadEnd(frame);
    return frame;
  }

  #isNew(node: Node): boolean {
    const { value, version, floor, unexplained } = node;
    const before = unexplained === undefined ? "" : JSON.stringify(unexplained);
    const name = `${this.#done.name()}|${version}|${floor}|${before}|${
      value === undefined ? "" : `=${value}`
    }`;
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    return true;
  }

  #movesFrom(node: Node): readonly Move[] {
    const required: Move[] = [];
    const optional: Move[] = [];
    const twins = new Set<string>();
    for (const candidate of this.#events.enabled()) {
      if (candidate.isOptional) {
        if (twins.has(candidate.twinKey)) continue;
        twins.add(candidate.twinKey);
      }
      const after = this.#after(node, candidate);
      if (after === undefined || this.#losesValue(node, after)) continue;
      // The read that disturbs nobody.
      if (after === node) return [{ candidate, node }];
      const unexplained = candidate.isOptional ? bare(node) : undefined;
      (candidate.isOptional ? optional : required).push({ candidate, node: { ...after, unexplained } });
    }
    return [...required, ...optional];
  }

  #after(node: Node, candidate: Candidate): State | undefined {
    if (candidate.rank !== undefined && candidate.rank !== this.#ranked[this.#doneRanked]!.rank) {
      return undefined;
    }
    const after = apply(node, candidate);
    if (after === undefined || node.unexplained === undefined) return after;
    if (candidate.isBlind) return undefined;
    const without = apply(node.unexplained, candidate);
    if (without !== undefined && isSameState(without, after)) return undefined;
    // Explained by now, so it is another place in the search even if the state is the same.
    return bare(after);
  }

  #losesValue({ value }: State, after: State): boolean {
    return value !== undefined && value !== after.value && this.#ledger.isNeeded(value);
  }

  #noteDeadEnd({ node, reachedBy }: Frame): void {
    if (this.#doneRequired <= this.#furthest) return;
    this.#furthest = this.#doneRequired;
    this.#deadEnd = {
      done: [...this.#order(), ...(reachedBy === undefined ? [] : [reachedBy])],
      state: bare(node),
      enabled: [...this.#events.enabled()],
      firstToReturn: this.#events.firstToReturn,
      nextByVersion: this.#ranked.find((candidate) => !this.#done.has(candidate.id)),
    };
  }

  #order(): Candidate[] {
    return this.#frames.flatMap(({ reachedBy }) => reachedBy === undefined ? [] : [reachedBy]);
  }
}

function bare({ value, version, floor }: State): State {
  return { value, version, floor };
}
