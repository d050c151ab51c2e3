/**
 * The last stops of calls on their way through this node, each with its time. What happens first is forgotten
 * first.
 *
 * @module
 */

/** Where a call, or what has become of it, is. */
export type StopName =
  /** The head of a request has been read. */
  | "head"
  /** So has its body. */
  | "request"
  /** A call waits for the next turn. */
  | "queued"
  /** A turn was asked for. */
  | "turnDue"
  /** A turn begins. */
  | "turn"
  /** It has ended; what it has sent is written to the sockets next. */
  | "turnEnd"
  /** Handed to the stream to a peer. */
  | "sent"
  /** Put before the loop, from a peer. */
  | "arrived"
  /** Bytes of a file handed to the system. */
  | "frame"
  /** A sync of that file has begun. */
  | "syncBegun"
  /** It has ended. */
  | "synced"
  /** The result of a call is known. */
  | "settled"
  /** The answer to a request is ready to be written. */
  | "answered";

/** What belongs to a stop; which of these there are depends on its name. */
export interface StopDetail {
  /** A kind of message between replicas, `call` or `reply`. */
  readonly what?: string;
  readonly group?: number;
  /**
   * The last entry of an append or of its acknowledgement; the round of a heartbeat; the id of a call that
   * was passed on, or of the reply to it.
   */
  readonly index?: number;
  /** Entries of an append. */
  readonly entries?: number;
  /** What an append says to be committed. */
  readonly commit?: number;
  /** The node to which something was sent, or from which it came. */
  readonly peer?: number;
  /** The last part of the file's path. */
  readonly file?: string;
}

/** One stop. */
export interface Stop extends StopDetail {
  readonly name: StopName;
  /** Milliseconds since 1970, by a clock that never goes back: to be compared on one machine only. */
  readonly atMs: number;
}

/** What a recorder tells. */
export interface StopsSince {
  /** Oldest first. */
  readonly stops: readonly Stop[];
  /** Stops that were asked for and are forgotten already. */
  readonly forgotten: number;
  /** From where to go on. */
  readonly next: number;
  /** How many there have ever been: there is more to be told while `next` is less. */
  readonly count: number;
}

/** Told at a time: some megabytes. */
const TOLD_MAX = 50_000;

/** See the module comment. */
export class StopRecorder {
  readonly #stops: Stop[] = [];
  readonly #stopsMax: number;
  readonly #nowMs: () => number;
  #count = 0;

  /** @param stopsMax how many it remembers @param nowMs what is taken for the time */
  constructor(stopsMax: number, nowMs: () => number = sharedMs) {
    this.#stopsMax = stopsMax;
    this.#nowMs = nowMs;
  }

  /** Notes that something is at a stop now. */
  note(name: StopName, detail?: StopDetail): void {
    this.#stops[this.#count % this.#stopsMax] = { name, atMs: this.#nowMs(), ...detail };
    this.#count++;
  }

  /**
   * The stops from number `from` on, as far as they are remembered, and not too many at a time; the first
   * ever has number 0.
   */
  since(from: number, toldMax = TOLD_MAX): StopsSince {
    const oldest = Math.max(0, this.#count - this.#stopsMax);
    const first = Math.min(Math.max(from, oldest), this.#count);
    const next = Math.min(first + toldMax, this.#count);
    const stops: Stop[] = [];
    for (let at = first; at < next; at++) stops.push(this.#stops[at % this.#stopsMax]!);
    return { stops, forgotten: Math.max(0, first - from), next, count: this.#count };
  }
}

/**
 * The same in all processes of a machine, as exactly as they have read its clock at their start, unless that
 * was set between their starts.
 */
function sharedMs(): number {
  return performance.timeOrigin + performance.now();
}
