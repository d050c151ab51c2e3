/**
 * What is going to happen, by time. Events of the same time happen in the order in which they were planned,
 * so that a run depends on nothing but its seed. A binary heap.
 *
 * @module
 */

/** Something that will happen. */
export interface PlannedEvent {
  /** Simulated milliseconds. */
  readonly atMs: number;
  /** Breaks ties: grows with every event planned. */
  readonly order: number;
  /** For the trace. */
  readonly what: string;
  readonly run: () => void;
  isCancelled: boolean;
}

/** An event that is to be planned. */
interface EventPlan {
  readonly atMs: number;
  readonly what: string;
  readonly run: () => void;
}

/** See the module comment. */
export class EventQueue {
  readonly #heap: PlannedEvent[] = [];
  #planned = 0;

  /** Events waiting, called off ones included. */
  get size(): number {
    return this.#heap.length;
  }

  plan(event: EventPlan): PlannedEvent {
    const planned: PlannedEvent = { ...event, order: this.#planned++, isCancelled: false };
    this.#heap.push(planned);
    this.#rise(this.#heap.length - 1);
    return planned;
  }

  /** The next event that was not called off. */
  next(): PlannedEvent | undefined {
    for (;;) {
      const first = this.#heap[0];
      const last = this.#heap.pop();
      if (first === undefined || last === undefined) return undefined;
      if (last !== first) {
        this.#heap[0] = last;
        this.#sink(0);
      }
      if (!first.isCancelled) return first;
    }
  }

  #rise(start: number): void {
    const heap = this.#heap;
    const event = heap[start]!;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const event = heap[start]!;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, event)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = event;
  }
}

function isBefore(one: PlannedEvent, other: PlannedEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
