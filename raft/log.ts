/**
 * The log of one replica, in memory (§5.3 of the paper). Entry `i` of the log is *not* element `i` of the
 * array: what a snapshot covers is gone from it.
 *
 * ```
 *   snapshotIndex        applied    committed        durable      written     last
 *        │ first            │           │               │            │         │
 *   ─────┼──────────────────┼───────────┼───────────────┼────────────┼─────────┤
 *   gone │  given to the    │ to be     │ on disk here, │ on its way │ not yet │
 *        │  state machine   │ given     │ not committed │ to disk    │ written │
 * ```
 *
 * Committed may run ahead of durable on a follower; what is handed out never does.
 *
 * Invariants: snapshotIndex ≤ applied ≤ committed ≤ last; applied ≤ durable ≤ written ≤ last; terms never
 * fall along the log; committed entries are never removed but by `compactTo` and `install`.
 *
 * @module
 */

import { invariant, violated } from "./invariant.ts";
import { type Entry, EntryKind, type LogIndex, type Restored, type Term } from "./types.ts";

/** What an entry costs in memory besides its bytes; keeps even a flood of empty entries bounded. */
const ENTRY_OVERHEAD_BYTES = 64;

/**
 * What an entry costs in memory besides its bytes: the object, the view, its place in the list, and the
 * buffer of its own if it is a large one. Measured with V8's heap statistics, 200,000 entries: 171 bytes for
 * those cut from a common buffer, 266 for the others.
 */
const ENTRY_MEMORY_BYTES = 256;

/** Bytes that `entry` counts for in every limit of what is on its way. */
export function entryBytes(entry: Entry): number {
  return entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
}

/** Bytes of all of `entries`. */
export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (let position = 0; position < entries.length; position++) bytes += entryBytes(entries[position]!);
  return bytes;
}

/** Bytes of memory that `entries` take. */
function memoryBytes(entries: readonly Entry[]): number {
  return entries.reduce((bytes, { data }) => bytes + data.byteLength + ENTRY_MEMORY_BYTES, 0);
}

/** Which entries to take: `from` up to and including `through`, but not more than `bytesMax`. */
export interface SliceOptions {
  readonly from: LogIndex;
  readonly through: LogIndex;
  /** The first entry is taken whatever its size. */
  readonly bytesMax: number;
}

/** The entries above `after` up to and including `through`. */
export interface LogRange {
  readonly after: LogIndex;
  readonly through: LogIndex;
}

/** A place in a log. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** See the module comment. */
export class RaftLog {
  #entries: Entry[];
  #snapshotIndex: LogIndex;
  #snapshotTerm: Term;
  #applied: LogIndex;
  #committed: LogIndex;
  #durable: LogIndex;
  #written: LogIndex;
  /** Of each write under way, oldest first: up to where what it writes is still the content here. */
  #writes: LogIndex[] = [];
  /** Of the membership entries held, ascending. There are rarely any. */
  #membershipIndexes: LogIndex[] = [];
  #bytes: number;

  /**
   * @throws {InvariantViolation} when the restored entries have a gap or lack a committed one
   */
  constructor(restored: Restored) {
    const { snapshot, entries, hardState } = restored;
    this.#entries = [...entries];
    this.#snapshotIndex = snapshot.index;
    this.#snapshotTerm = snapshot.term;
    this.#durable = snapshot.index + entries.length;
    this.#written = this.#durable;
    this.#applied = snapshot.index;
    this.#committed = Math.max(snapshot.index, hardState.commit);
    this.#bytes = memoryBytes(entries);
    this.#membershipIndexes = membershipIndexes(entries);
    mustFollow(this.#entries, { index: snapshot.index, term: snapshot.term });
    if (this.#committed > this.#durable) {
      violated("a restored log holds all that was known to be committed", {
        committed: this.#committed,
        last: this.#durable,
      });
    }
  }

  get snapshotIndex(): LogIndex {
    return this.#snapshotIndex;
  }

  get firstIndex(): LogIndex {
    return this.#snapshotIndex + 1;
  }

  get lastIndex(): LogIndex {
    return this.#snapshotIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    const count = this.#entries.length;
    return count === 0 ? this.#snapshotTerm : this.#entries[count - 1]!.term;
  }

  /** Given to the host's state machine. */
  get applied(): LogIndex {
    return this.#applied;
  }

  get committed(): LogIndex {
    return this.#committed;
  }

  /** The last index that is on the disk of this node with the content it has here. */
  get durable(): LogIndex {
    return this.#durable;
  }

  /** The last index that was handed out to be written with the content it has here. */
  get written(): LogIndex {
    return this.#written;
  }

  /** Whether any write is under way. */
  get isWriting(): boolean {
    return this.#writes.length > 0;
  }

  /** Bytes of memory that the entries held take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The term at `index`, `undefined` where this log does not know it (compacted, or beyond the end). */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#snapshotIndex) return this.#snapshotTerm;
    return this.#entries[index - this.#snapshotIndex - 1]?.term;
  }

  /** Whether a log that ends in `position` is at least as complete as this one (§5.4.1). */
  isCompletedBy(position: LogPosition): boolean {
    if (position.term !== this.lastTerm) return position.term > this.lastTerm;
    return position.index >= this.lastIndex;
  }

  /** Index of the last membership entry held that is not beyond `index`; 0 if there is none. */
  lastMembershipThrough(index: LogIndex): LogIndex {
    const indexes = this.#membershipIndexes;
    let position = indexes.length - 1;
    while (position >= 0 && indexes[position]! > index) position--;
    return position < 0 ? 0 : indexes[position]!;
  }

  /** Adds one entry at the end, as a leader does. */
  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) {
      violated("an entry is appended at the end", { index: entry.index, last: this.lastIndex });
    }
    this.#entries.push(entry);
    this.#bytes += entry.data.byteLength + ENTRY_MEMORY_BYTES;
    if (entry.kind === EntryKind.membership) this.#membershipIndexes.push(entry.index);
  }

  /**
   * Takes over what a leader sent, `entries` being contiguous and the one before them known to be equal
   * (§5.3, step 3 and 4 of the receiver). Entries that are already here stay, and so does what follows them:
   * an old message that arrives late must not cut off what came after it.
   */
  merge(entries: readonly Entry[]): void {
    const fresh = this.#firstDifference(entries);
    if (fresh === entries.length) return;
    this.#truncateFrom(entries[fresh]!.index);
    for (let position = fresh; position < entries.length; position++) this.append(entries[position]!);
  }

  /** The entries asked for; empty when `from` is above `through`. */
  slice(options: SliceOptions): readonly Entry[] {
    const { from, through, bytesMax } = options;
    if (from > through) return [];
    if (from < this.firstIndex || through > this.lastIndex) {
      violated("only entries that are held are read", {
        from,
        through,
        first: this.firstIndex,
        last: this.lastIndex,
      });
    }
    const start = from - this.firstIndex;
    const limit = through - this.firstIndex + 1;
    let end = start + 1;
    let bytes = entryBytes(this.#entries[start]!);
    while (end < limit) {
      bytes += entryBytes(this.#entries[end]!);
      if (bytes > bytesMax) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }

  /** Bytes of a range of entries. */
  bytesBetween(options: LogRange): number {
    let bytes = 0;
    const end = options.through - this.#snapshotIndex;
    for (let position = options.after - this.#snapshotIndex; position < end; position++) {
      bytes += entryBytes(this.#entries[position]!);
    }
    return bytes;
  }

  /**
   * The highest index, at most `position.index`, whose term is at most `position.term`; the snapshot's index
   * when there is none. Both sides of a conflict skip whole terms with it (§5.3, last paragraphs).
   */
  highestAgreeable(position: LogPosition): LogIndex {
    let low = this.#snapshotIndex;
    let high = Math.max(low, Math.min(position.index, this.lastIndex));
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.termAt(middle)! <= position.term) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Raises the commit index to `index`; a lower one changes nothing. */
  commitTo(index: LogIndex): void {
    if (index <= this.#committed) return;
    if (index > this.lastIndex) {
      violated("only entries that are held are committed", { commit: index, last: this.lastIndex });
    }
    this.#committed = index;
  }

  /** Everything not yet handed out, for one more write; {@linkcode finishWrite} must follow. */
  beginWrite(): readonly Entry[] {
    const entries = this.slice({ from: this.#written + 1, through: this.lastIndex, bytesMax: Infinity });
    this.#written = this.lastIndex;
    this.#writes.push(this.lastIndex);
    return entries;
  }

  /** The oldest write under way is on disk. What was replaced here meanwhile is not made durable by it. */
  finishWrite(): void {
    const through = this.#writes.shift();
    invariant(through !== undefined, "a write that ends was begun");
    this.#durable = Math.max(this.#durable, through);
  }

  /** Everything up to `index` was given to the host. */
  markApplied(index: LogIndex): void {
    if (index < this.#applied || index > Math.min(this.#committed, this.#durable)) {
      violated("only durable committed entries are applied, in order", {
        index,
        applied: this.#applied,
        committed: this.#committed,
        durable: this.#durable,
      });
    }
    this.#applied = index;
  }

  /** Forgets the entries up to and including `index`, which the host now holds in a snapshot. */
  compactTo(index: LogIndex): void {
    if (index <= this.#snapshotIndex) return;
    invariant(index <= this.#applied, "only applied entries are compacted");
    const term = this.termAt(index)!;
    this.#keepAbove(index);
    this.#snapshotIndex = index;
    this.#snapshotTerm = term;
  }

  /**
   * Stands at `position`, of which the host now holds the state. If it is held here, what follows it stays,
   * and unless it was durable, has to be written behind it; else the log begins anew.
   */
  install({ index, term }: LogPosition): void {
    if (index <= this.#applied) violated("a snapshot leads ahead", { index, applied: this.#applied });
    const isHeld = this.termAt(index) === term;
    if (!isHeld && index <= this.#committed) {
      violated("a snapshot agrees with what is committed", { index, term, here: this.termAt(index) });
    }
    const isDurable = isHeld && index <= this.#durable;
    this.#keepAbove(isHeld ? index : this.lastIndex);
    this.#snapshotIndex = index;
    this.#snapshotTerm = term;
    this.#applied = index;
    this.#committed = Math.max(this.#committed, index);
    if (isDurable) return;
    this.#durable = index;
    this.#written = index;
    // They lie before the snapshot on disk, or are of another log.
    this.#writes = this.#writes.map(() => index);
  }

  #keepAbove(index: LogIndex): void {
    const gone = this.#entries.splice(0, index - this.#snapshotIndex);
    this.#bytes -= memoryBytes(gone);
    this.#membershipIndexes = this.#membershipIndexes.filter((each) => each > index);
  }

  /** Position in `entries` of the first that is not here with the same term; their count when all are. */
  #firstDifference(entries: readonly Entry[]): number {
    for (let position = 0; position < entries.length; position++) {
      const entry = entries[position]!;
      if (entry.index > this.#snapshotIndex && this.termAt(entry.index) !== entry.term) return position;
    }
    return entries.length;
  }

  #truncateFrom(index: LogIndex): void {
    if (index > this.lastIndex) return;
    if (index <= this.#committed) {
      violated("a committed entry is never replaced", { index, committed: this.#committed });
    }
    const gone = this.#entries.splice(index - this.firstIndex);
    this.#bytes -= memoryBytes(gone);
    this.#membershipIndexes = this.#membershipIndexes.filter((each) => each < index);
    this.#durable = Math.min(this.#durable, index - 1);
    this.#written = Math.min(this.#written, index - 1);
    this.#writes = this.#writes.map((through) => Math.min(through, index - 1));
  }
}

/** Indexes of the membership entries among `entries`. */
export function membershipIndexes(entries: readonly Entry[]): LogIndex[] {
  return entries.filter((entry) => entry.kind === EntryKind.membership).map((entry) => entry.index);
}

function mustFollow(entries: readonly Entry[], before: LogPosition): void {
  let previous = before;
  for (const entry of entries) {
    if (entry.index !== previous.index + 1 || entry.term < previous.term) {
      violated("restored entries are contiguous and their terms do not fall", {
        previousIndex: previous.index,
        index: entry.index,
        previousTerm: previous.term,
        term: entry.term,
      });
    }
    previous = entry;
  }
}
