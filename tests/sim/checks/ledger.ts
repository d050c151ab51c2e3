/**
 * Everything that any node has ever applied: one list of entries a group, which no node may contradict. It
 * knows more than any node, for it never forgets. What clients are told is held against it:
 *
 * - every node applies the same entries, in order and without a gap, and they do what the model says;
 * - an acknowledged write is the entry of its version, and took effect;
 * - a read saw the state of some moment between its call and its return, or of its bound.
 *
 * @module
 */

import { partitionOfKey } from "../../../proto/mod.ts";
import { decodeMembership } from "../../../raft/membership_codec.ts";
import { type Entry, EntryKind, type GroupId, type Membership, type Term } from "../../../raft/mod.ts";
import type { KvReplica } from "../../../server/calls/hosted_replica.ts";
import { groupOfPartition } from "../../../server/cluster/founding.ts";
import type { Judge } from "./judge.ts";
import { Model, type ModelChange } from "./model.ts";
import type { Promises } from "./promises.ts";
import { unlessUnreadable } from "./unreadable.ts";

/** An entry as it was first applied, and what it did. */
interface LedgerEntry {
  readonly entry: Entry;
  /** The highest term anybody in the group had spoken in by then: it was committed in that one or before. */
  readonly committedBy: Term;
  readonly changes: readonly ModelChange[];
  /** Replicated time after it. */
  readonly timeMs: number;
}

/** From `index` on a key held `value`; `undefined` for no such key. */
interface KeyState {
  readonly index: number;
  readonly value: string | undefined;
  /** Replicated time. */
  readonly expiresAtMs: number;
}

/** At `atMs` everything up to `index` was known to a client. */
interface Known {
  readonly atMs: number;
  readonly index: number;
}

/** Of every key, at the beginning. */
const ABSENT: KeyState = { index: 0, value: undefined, expiresAtMs: Infinity };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The ledger of one group. */
class GroupLedger {
  readonly model = new Model();
  /** Entry of index i at position i − 1. */
  readonly entries: LedgerEntry[] = [];
  readonly keys = new Map<string, KeyState[]>();
  readonly known: Known[] = [{ atMs: 0, index: 0 }];
  membership: Membership | undefined;

  append(entry: Entry, committedBy: Term): LedgerEntry {
    const changes = entry.kind === EntryKind.command ? this.model.apply(entry.index, entry.data) : [];
    const { timeMs } = this.model;
    const kept = { entry: { ...entry, data: entry.data.slice() }, committedBy, changes, timeMs };
    this.entries.push(kept);
    if (entry.kind === EntryKind.membership) this.membership = decodeMembership(entry.data);
    for (const { key, item } of changes) {
      const states = this.keys.get(key) ?? [ABSENT];
      this.keys.set(key, states);
      const value = item && decoder.decode(item.value);
      states.push({ index: entry.index, value, expiresAtMs: item?.expiresAtMs ?? Infinity });
    }
    return kept;
  }
}

/** What a ledger works with. */
interface LedgerParts {
  readonly judge: Judge;
  readonly promises: Promises;
  readonly partitionCount: number;
}

/** A write as a client was told of it; `value` is `undefined` for a delete. */
export interface AcknowledgedWrite {
  readonly key: string;
  readonly value: string | undefined;
  readonly version: number;
}

/** What a read found, which must not miss anything up to `floor`. */
interface SeenValue {
  readonly key: string;
  readonly value: string | undefined;
  readonly floor: number;
}

/** A version that a read told of. */
interface HeardVersion {
  readonly key: string;
  readonly version: number;
}

/** See the module comment. */
export class ReplicationLedger {
  readonly #judge: Judge;
  readonly #promises: Promises;
  readonly #partitionCount: number;
  readonly #groups = new Map<GroupId, GroupLedger>();

  constructor(
    parts: LedgerParts,
  ) {
    const { partitionCount } = parts;
    this.#judge = parts.judge;
    this.#promises = parts.promises;
    this.#partitionCount = partitionCount;
    for (let id = 0; id < partitionCount; id++) this.#groups.set(groupOfPartition(id), new GroupLedger());
  }

  /** Watches what `partition` of a node that has just come up applies. */
  watch(nodeId: number, partition: KvReplica): void {
    const apply = partition.apply.bind(partition);
    partition.apply = (entries) => {
      const kept = this.#take(`node ${nodeId}`, partition, entries);
      apply(entries);
      // What the disk does not give, the state cannot be built upon yet.
      if (partition.stallReason !== undefined) return;
      const changes = kept.flatMap((entry) => entry.changes);
      unlessUnreadable(() => this.#compare(`node ${nodeId}`, partition, changes));
    };
  }

  /** The index of the last entry anybody has applied in `group`. */
  lastIndex(group: GroupId): number {
    return this.#group(group).entries.length;
  }

  /** What `group` was last made of, `undefined` while that is what it was founded with. */
  membership(group: GroupId): Membership | undefined {
    return this.#group(group).membership;
  }

  /** The term of an entry that somebody has applied. */
  termAt(group: GroupId, index: number): Term | undefined {
    return this.#group(group).entries[index - 1]?.entry.term;
  }

  /** How many entries of `group` were committed in terms before `term`, for certain. */
  owedTo(group: GroupId, term: Term): number {
    return this.#group(group).entries.findLastIndex(({ committedBy }) => committedBy < term) + 1;
  }

  /** Keys of all groups that were removed because their time had come. */
  get removals(): number {
    return [...this.#groups.values()].reduce((sum, { model }) => sum + model.removals, 0);
  }

  /** What a read of `key` that begins at `atMs` must not miss. */
  floor(key: string, atMs = Infinity): number {
    const { known } = this.#groupOf(key);
    let position = known.length - 1;
    while (position > 0 && known[position]!.atMs > atMs) position--;
    return known[position]!.index;
  }

  /** A client was told that its write of `key` got `version`; `value` is `undefined` for a delete. */
  acknowledged(nowMs: number, write: AcknowledgedWrite): void {
    const { key, value, version } = write;
    const change = this.#groupOf(key).entries[version - 1]?.changes.findLast((each) => each.key === key);
    if (change === undefined) {
      return this.#judge.fail(
        `a write of ${key} was acknowledged at version ${version}, which is none of it`,
      );
    }
    if (value !== undefined && !this.#wrote(write)) {
      return this.#judge.fail(`"${value}" was acknowledged as ${key} at version ${version}: it is not there`);
    }
    this.#raise(key, { atMs: nowMs, index: version });
  }

  /** A client was told that `key` holds `value`, by a read that must not miss anything up to `floor`. */
  seen(read: SeenValue): void {
    const { key, value, floor } = read;
    const { keys, entries, model } = this.#groupOf(key);
    const states = keys.get(key) ?? [ABSENT];
    const floorMs = entries[floor - 1]?.timeMs ?? 0;
    const isRight = states.some(({ value: held, expiresAtMs }, position) => {
      if ((states[position + 1]?.index ?? Infinity) <= floor) return false;
      // Whoever answers has applied the entry with which the time came.
      const mayBeGone = expiresAtMs <= model.timeMs;
      return value === undefined ? held === undefined || mayBeGone : held === value && expiresAtMs > floorMs;
    });
    if (isRight) return;
    const held = states.map((state) => `${state.value ?? "nothing"} from ${state.index} on`).join(", ");
    this.#judge.fail(`a read of ${key} got ${value ?? "nothing"}, known up to ${floor}; it held ${held}`);
  }

  /** A linearizable read told a version: later reads must know it too. */
  heard(nowMs: number, read: HeardVersion): void {
    this.#raise(read.key, { atMs: nowMs, index: read.version });
  }

  /**
   * Whether the entry at `version` puts `value` anywhere; a later mutation of its batch may have replaced it.
   */
  #wrote({ key, value, version }: AcknowledgedWrite): boolean {
    const { changes } = this.#groupOf(key).entries[version - 1]!;
    return changes.some((each) => each.key === key && each.item && decoder.decode(each.item.value) === value);
  }

  #take(who: string, partition: KvReplica, entries: readonly Entry[]): readonly LedgerEntry[] {
    const ledger = this.#group(partition.group);
    let index = partition.takenIndex;
    return entries.map((entry) => {
      index++;
      if (entry.index !== index) {
        this.#judge.fail(
          `${who} applies entry ${entry.index} of group ${partition.group} where ${index} is next`,
        );
      }
      const known = ledger.entries[entry.index - 1];
      if (known === undefined) return ledger.append(entry, this.#promises.highestTerm(partition.group));
      if (!isSame(known.entry, entry)) {
        this.#judge.fail(
          `${who} applies ${describe(entry)} in group ${partition.group} where ${
            describe(known.entry)
          } was applied`,
        );
      }
      return known;
    });
  }

  /** The product's state machine against the model, at the keys that changed last. */
  #compare(who: string, partition: KvReplica, changes: readonly ModelChange[]): void {
    for (const { key, item } of new Map(changes.map((change) => [change.key, change])).values()) {
      const { machine } = partition;
      const held = machine.get(encoder.encode(key));
      const expected = item !== undefined && item.expiresAtMs > machine.timeMs ? item : undefined;
      const isEqual = held?.version === expected?.version &&
        (held === undefined || areEqual(held.value, expected!.value));
      if (!isEqual) {
        this.#judge.fail(
          `${who} holds ${key} at version ${held?.version}: it must be at ${expected?.version}`,
        );
      }
      if ((machine.expiresAtMs(encoder.encode(key)) ?? Infinity) !== (expected?.expiresAtMs ?? Infinity)) {
        this.#judge.fail(`${who} lets ${key} expire at another time than ${expected?.expiresAtMs}`);
      }
    }
  }

  #raise(key: string, known: Known): void {
    const list = this.#groupOf(key).known;
    if (known.index > list.at(-1)!.index) list.push(known);
  }

  #groupOf(key: string): GroupLedger {
    return this.#group(groupOfPartition(partitionOfKey(encoder.encode(key), this.#partitionCount)));
  }

  #group(group: GroupId): GroupLedger {
    return this.#groups.get(group)!;
  }
}

function isSame(one: Entry, other: Entry): boolean {
  return one.term === other.term && one.kind === other.kind && areEqual(one.data, other.data);
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function describe({ index, term, kind, data }: Entry): string {
  return `entry ${index} of term ${term}, kind ${kind}, ${data.length} bytes`;
}
