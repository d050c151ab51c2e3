/**
 * When keys expire: a map from key to the replicated time of it, and a heap beside it, which finds the
 * earliest. Keys that never expire are in neither, and as long as there are no others nothing is looked up.
 *
 * A time is a part of the state, like a value. That it is reached changes nothing here: the key is not there
 * any more for those who look (`state_machine.ts`), and is kept until a command removes it, so that all
 * replicas remove it at the same entry.
 *
 * Every key has one place in the heap, which it knows, and a time that is replaced or cleared moves it or
 * takes it out at once. Keys that are renewed long before they expire are the usual case: what they would
 * leave behind otherwise had to be dropped in one go, and all who wait for the node would wait for that.
 *
 * ```
 *   times   "a" ─▶ 30      heap        10 "c"           each entry is due no later than
 *           "b" ─▶ 20                  ╱    ╲           the two below it
 *           "c" ─▶ 10             30 "a"    20 "b"
 * ```
 *
 * @module
 */

import { stringBytes } from "./byte_string.ts";

/**
 * What a time costs besides the bytes of its key: the entry, its number, its places in map and heap (twice,
 * while those grow). Measured with V8's heap statistics, of keys that are in memory anyway: 111 bytes where
 * there are 200,000, 130 at 270,000, when the map has just grown.
 */
const TIME_MEMORY_BYTES = 144;

/** Places of the heap that one question may look at: microseconds. */
const LOOKS_MAX = 256;

/** How much of what is due is asked for. */
export interface ExpiredLimits {
  readonly keysMax: number;
  /** Of all the keys together. */
  readonly bytesMax: number;
}

/** Replicated times. */
export interface TimeRange {
  readonly afterMs: number;
  readonly throughMs: number;
}

/** What a heap holds. */
interface Timed {
  expiresAtMs: number;
  /** Its place in the heap. */
  at: number;
}

interface TimedKey extends Timed {
  /** As `byte_string.ts` has it. */
  readonly name: string;
}

/** A key that may be the next in order. */
interface Candidate extends Timed {
  readonly key: TimedKey;
}

/** See the module comment. */
export class Expiry {
  readonly #times = new Map<string, TimedKey>();
  readonly #heap = new TimeHeap<TimedKey>();
  #nameBytes = 0;

  /** Keys that have a time. */
  get size(): number {
    return this.#times.size;
  }

  /**
   * Bytes of memory that all of it takes. Keys are counted though the state may have the same string: it has
   * another one if the key was written without a time before.
   */
  get memoryBytes(): number {
    return this.#times.size * TIME_MEMORY_BYTES + this.#nameBytes;
  }

  /** The earliest time, `undefined` if no key has one. */
  get earliestMs(): number | undefined {
    return this.#heap.at(0)?.expiresAtMs;
  }

  /** When `name` expires, reached or not; `undefined` for never. */
  timeOf(name: string): number | undefined {
    return this.#times.size === 0 ? undefined : this.#times.get(name)?.expiresAtMs;
  }

  /** From now on `name` expires at `expiresAtMs`, whatever was said before. */
  set(name: string, expiresAtMs: number): void {
    const known = this.#times.get(name);
    if (known !== undefined) {
      known.expiresAtMs = expiresAtMs;
      return this.#heap.settle(known);
    }
    const key: TimedKey = { name, expiresAtMs, at: 0 };
    this.#times.set(name, key);
    this.#heap.add(key);
    this.#nameBytes += name.length;
  }

  /** From now on `name` never expires. */
  clear(name: string): void {
    if (this.#times.size === 0) return;
    const known = this.#times.get(name);
    if (known === undefined) return;
    this.#times.delete(name);
    this.#heap.remove(known);
    this.#nameBytes -= name.length;
  }

  /** Keys whose time is `nowMs` or before, the earliest first, up to the first that is beyond the limits. */
  due(nowMs: number, { keysMax, bytesMax }: ExpiredLimits): Uint8Array[] {
    const keys: Uint8Array[] = [];
    let bytes = 0;
    for (const { name, expiresAtMs } of this.#inOrder()) {
      bytes += name.length;
      if (expiresAtMs > nowMs || keys.length >= keysMax || bytes > bytesMax) break;
      keys.push(stringBytes(name));
    }
    return keys;
  }

  /**
   * The latest time above `afterMs` and up to `throughMs`; `undefined` if there is none. Where it would have
   * to look at too many it says `Infinity`, whether or not there is any.
   */
  latestIn({ afterMs, throughMs }: TimeRange): number | undefined {
    let latestMs: number | undefined;
    const places = [0];
    for (let looks = 0; places.length > 0; looks++) {
      if (looks === LOOKS_MAX) return Infinity;
      const place = places.pop()!;
      const expiresAtMs = this.#heap.at(place)?.expiresAtMs ?? Infinity;
      if (expiresAtMs > throughMs) continue;
      if (expiresAtMs > afterMs) latestMs = Math.max(latestMs ?? 0, expiresAtMs);
      places.push(2 * place + 1, 2 * place + 2);
    }
    return latestMs;
  }

  /** Every key that has a time, reached or not, in no order. */
  *entries(): Generator<readonly [key: string, expiresAtMs: number]> {
    for (const [name, { expiresAtMs }] of this.#times) yield [name, expiresAtMs];
  }

  /** The earliest first. Looks at as many keys as are taken from it and their neighbours in the heap. */
  *#inOrder(): Generator<TimedKey> {
    const candidates = new TimeHeap<Candidate>();
    const consider = (at: number) => {
      const key = this.#heap.at(at);
      if (key !== undefined) candidates.add({ key, expiresAtMs: key.expiresAtMs, at: 0 });
    };
    consider(0);
    for (let next = candidates.at(0); next !== undefined; next = candidates.at(0)) {
      candidates.remove(next);
      yield next.key;
      consider(2 * next.key.at + 1);
      consider(2 * next.key.at + 2);
    }
  }
}

/** A binary heap whose entries know their places, the earliest at 0. */
class TimeHeap<T extends Timed> {
  readonly #entries: T[] = [];

  /** The entry at a place, `undefined` where there is none. */
  at(place: number): T | undefined {
    return this.#entries[place];
  }

  add(entry: T): void {
    entry.at = this.#entries.length;
    this.#entries.push(entry);
    this.#rise(entry);
  }

  remove(entry: T): void {
    const last = this.#entries.pop()!;
    if (last === entry) return;
    this.#put(last, entry.at);
    this.settle(last);
  }

  /** Moves an entry to where it belongs, after its time has changed. */
  settle(entry: T): void {
    this.#rise(entry);
    this.#sink(entry);
  }

  #rise(entry: T): void {
    let place = entry.at;
    while (place > 0) {
      const above = this.#entries[(place - 1) >> 1]!;
      if (above.expiresAtMs <= entry.expiresAtMs) break;
      const free = above.at;
      this.#put(above, place);
      place = free;
    }
    this.#put(entry, place);
  }

  #sink(entry: T): void {
    let place = entry.at;
    for (;;) {
      const below = this.#earlierBelow(place);
      if (below === undefined || below.expiresAtMs >= entry.expiresAtMs) break;
      const free = below.at;
      this.#put(below, place);
      place = free;
    }
    this.#put(entry, place);
  }

  #earlierBelow(place: number): T | undefined {
    const left = this.#entries[2 * place + 1];
    const right = this.#entries[2 * place + 2];
    return right !== undefined && right.expiresAtMs < left!.expiresAtMs ? right : left;
  }

  #put(entry: T, place: number): void {
    this.#entries[place] = entry;
    entry.at = place;
  }
}
