/**
 * The calls and returns of one key in the order of time, as a doubly linked list from which operations are
 * taken out and put back (Wing and Gong 1993; Lowe, "Testing for Linearizability", 2017, section 3). What may
 * come next is every call before the first return: whatever is called later began after that operation had
 * ended.
 *
 * ```
 * head ⇄ call A ⇄ call B ⇄ return A ⇄ call C ⇄ return B ⇄ return C
 *        └── may come next ──┘
 * ```
 *
 * @module
 */

import type { Candidate } from "./candidate.ts";

interface Event {
  readonly candidate: Candidate;
  readonly isReturn: boolean;
  readonly time: number;
  previous: Event | undefined;
  next: Event | undefined;
}

/**
 * See the module comment. Invariant: operations are put back in the reverse of the order they were taken out.
 */
export class EventList {
  #head: Event | undefined;
  readonly #calls = new Map<Candidate, Event>();
  readonly #returns = new Map<Candidate, Event>();

  constructor(candidates: readonly Candidate[]) {
    let previous: Event | undefined;
    for (const event of eventsOf(candidates)) {
      event.previous = previous;
      if (previous === undefined) this.#head = event;
      else previous.next = event;
      previous = event;
      (event.isReturn ? this.#returns : this.#calls).set(event.candidate, event);
    }
  }

  /** Those that may come next, by invocation. */
  *enabled(): Generator<Candidate> {
    for (let event = this.#head; event !== undefined && !event.isReturn; event = event.next) {
      yield event.candidate;
    }
  }

  /** The one that has to come before any further call is looked at. */
  get firstToReturn(): Candidate | undefined {
    let event = this.#head;
    while (event !== undefined && !event.isReturn) event = event.next;
    return event?.candidate;
  }

  takeOut(candidate: Candidate): void {
    this.#unlink(this.#calls.get(candidate)!);
    const end = this.#returns.get(candidate);
    if (end !== undefined) this.#unlink(end);
  }

  putBack(candidate: Candidate): void {
    const end = this.#returns.get(candidate);
    if (end !== undefined) this.#link(end);
    this.#link(this.#calls.get(candidate)!);
  }

  #unlink({ previous, next }: Event): void {
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
  }

  #link(event: Event): void {
    const { previous, next } = event;
    if (previous === undefined) this.#head = event;
    else previous.next = event;
    if (next !== undefined) next.previous = event;
  }
}

/** At the same time calls come before returns, which makes the two operations concurrent. */
function eventsOf(candidates: readonly Candidate[]): Event[] {
  const links = { previous: undefined, next: undefined };
  const calls = candidates.map((candidate) => ({
    candidate,
    isReturn: false,
    time: candidate.invokedAt,
    ...links,
  }));
  const returns = candidates.filter(({ isOptional }) => !isOptional).map((candidate) => ({
    candidate,
    isReturn: true,
    time: candidate.returnedAt,
    ...links,
  }));
  return [...calls, ...returns].sort((a, b) => a.time - b.time || Number(a.isReturn) - Number(b.isReturn));
}
