/**
 * Which writes a node still takes when its disk or its memory runs out. It goes on reading whatever happens;
 * writes are refused one sort after the other, and the little that is left is kept for those that matter
 * more:
 *
 * ```
 * plenty      │ everything
 * little      │ no puts: deletes, what leaders send, the cluster's own group
 * less        │ no deletes either; what leaders propose by themselves so that keys expire
 * hardly any  │ nothing that leaders of partitions send: they keep it and send it again
 * none        │ hard states only, as far as they fit; what does not fit waits, and nothing waits with it
 * ```
 *
 * On disk that is only so while the next segment cannot be made; while it can, there is always room. What was
 * taken and not handed to the log yet is counted, so that nothing is taken that would have to wait for a
 * segment.
 *
 * @module
 */

import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "../../proto/mod.ts";
import type { AppendRequest, Entry, GroupId, LogIndex, Message, Term } from "../../raft/mod.ts";
import { CLUSTER_GROUP } from "../cluster/mod.ts";
import { isUpkeep, onlyDeletes } from "../kv/mod.ts";
import type { MemoryBudget, MemoryPart } from "./memory_budget.ts";

/** The room in the log; `Wal` has it. */
export interface LogSpace {
  /** Left in the segment that is written. */
  readonly restBytes: number;
  readonly segmentRoomBytes: number;
  /** Why the next segment cannot be made; `undefined` while it can. */
  readonly spareFailure: string | undefined;
  hasRoomFor(bytes: number): boolean;
}

/** What is to be written. */
export type WriteSort = "put" | "delete" | "append" | "cluster";

/** Of the reserve on disk, how much each sort leaves to the others. */
const DISK_KEPT: Readonly<Record<WriteSort, number>> = {
  put: 1,
  delete: 1 / 2,
  append: 1 / 4,
  cluster: 1 / 8,
};
/** Of the memory of a part, how much each sort may use. */
const MEMORY_SHARE: Readonly<Record<WriteSort, number>> = {
  put: 7 / 8,
  delete: 15 / 16,
  append: 1,
  cluster: Infinity,
};
/** The reserve: a quarter of a segment, but not more than this. */
const RESERVE_BYTES_MAX = 4 * 1024 * 1024;
/** Of an entry besides its bytes, at most: the head and the frame of its record. */
const ENTRY_OVERHEAD_BYTES = 64;
/** Of a frame itself, and of each hard state that may be written with it. */
const FRAME_BYTES = 256;
const HARD_STATE_BYTES = 32;
/** The largest put; where a segment is small, no more than this part of it is asked for. */
const PUT_BYTES_MAX = KEY_BYTES_MAX + VALUE_BYTES_MAX;
const PUT_SHARE_MAX = 1 / 4;

/** Where the gate looks. */
export interface WriteGateOptions {
  readonly space: LogSpace;
  readonly memory: MemoryBudget;
}

interface TooLargeEntry {
  /** Of the leader that sent it. */
  readonly term: Term;
  readonly index: LogIndex;
  readonly bytes: number;
}

/** See the module comment. */
export class WriteGate {
  readonly #options: WriteGateOptions;
  #takenBytes = 0;
  /** Why a write was refused for want of disk space since the next segment cannot be made. */
  #diskReason: string | undefined;
  /** By group that stays behind because of it: an entry that no file of this log can hold. */
  readonly #tooLarge = new Map<GroupId, TooLargeEntry>();

  constructor(options: WriteGateOptions) {
    this.#options = options;
  }

  /** Taken, and not handed to the log yet. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Whether what is to be written waits for a segment that cannot be made. */
  get isStarved(): boolean {
    const { space } = this.#options;
    return space.spareFailure !== undefined && space.restBytes === 0;
  }

  /** Whether all that was taken, and a hard state of each of `groups`, can be written without waiting. */
  canWriteAll(groups: number): boolean {
    return this.#options.space.hasRoomFor(this.#takenBytes + FRAME_BYTES + groups * HARD_STATE_BYTES);
  }

  /** An entry of `bytes` was taken. */
  noteTaken(bytes: number): void {
    this.#takenBytes += bytes + ENTRY_OVERHEAD_BYTES;
  }

  /** `bytes` of what was taken have been handed to the log. */
  noteWritten(bytes: number): void {
    this.#takenBytes -= bytes;
  }

  /** Largest command that a segment takes. */
  get commandBytesMax(): number {
    return this.#options.space.segmentRoomBytes - FRAME_BYTES;
  }

  /** Why `command` of `group` must be refused for now; `undefined` when it may be proposed. */
  refusalOf(group: number, command: Uint8Array): string | undefined {
    if (!this.#isTight) return undefined;
    const sort = group === CLUSTER_GROUP ? "cluster" : sortOf(command);
    return this.#refusal(sort, command.length + ENTRY_OVERHEAD_BYTES);
  }

  /**
   * Why puts are, or would be, refused for want of disk space. It looks at a large put, so that a node that
   * has refused none yet, for it was started anew, tells the same as one that has.
   */
  get diskTrouble(): string | undefined {
    const { space } = this.#options;
    if (space.spareFailure === undefined) this.#diskReason = undefined;
    const putBytes = Math.min(PUT_BYTES_MAX + ENTRY_OVERHEAD_BYTES, space.segmentRoomBytes * PUT_SHARE_MAX);
    return this.#diskRefusal("put", putBytes) ?? this.#diskReason;
  }

  /** Why puts are refused for want of memory. */
  get memoryTrouble(): string | undefined {
    return this.#memoryRefusal("put");
  }

  /** Why replicas here stay behind their leaders, whose logs have larger files. */
  get entryTrouble(): string | undefined {
    const [first] = this.#tooLarge;
    if (first === undefined) return undefined;
    const [group, { bytes }] = first;
    return `Group ${group} sends an entry of ${bytes} bytes, and a file of this node's log holds ` +
      `${this.commandBytesMax}: start it with the --wal-segment-bytes of the other nodes`;
  }

  /** Forgets what was too large for groups that `follows` does not name: moved away, or led from here. */
  forgetOthers(follows: (group: GroupId) => boolean): void {
    for (const group of [...this.#tooLarge.keys()]) if (!follows(group)) this.#tooLarge.delete(group);
  }

  /** `message`, without the entries if there is no room for them: as if it had been sent before them. */
  admit(message: Message): Message {
    if (message.kind !== "appendRequest" || message.entries.length === 0) return message;
    const bytes = bytesOf(message.entries);
    const sort = message.group === CLUSTER_GROUP ? "cluster" : "append";
    const hasTooLarge = bytes > this.commandBytesMax && this.#noteTooLarge(message);
    if (hasTooLarge || (this.#isTight && this.#refusal(sort, bytes) !== undefined)) {
      return withoutEntries(message);
    }
    this.#forgetReplaced(message);
    this.#takenBytes += bytes;
    return message;
  }

  #noteTooLarge({ group, term, entries }: AppendRequest): boolean {
    const entry = entries.find(({ data }) => data.length > this.commandBytesMax);
    if (entry !== undefined) {
      this.#tooLarge.set(group, { term, index: entry.index, bytes: entry.data.length });
    }
    return entry !== undefined;
  }

  /**
   * What the leader of a term has in its log stays there, so that its other entries, sent before or behind
   * the one that is too large, say nothing; those of a later leader do if they come where that one was.
   */
  #forgetReplaced({ group, term, prevLogIndex, entries }: AppendRequest): void {
    const noted = this.#tooLarge.get(group);
    if (noted === undefined || term <= noted.term) return;
    const isReplaced = prevLogIndex < noted.index && prevLogIndex + entries.length >= noted.index;
    if (isReplaced) this.#tooLarge.delete(group);
  }

  get #isTight(): boolean {
    const { space, memory } = this.#options;
    return space.spareFailure !== undefined || isAbove(memory.log, "put") || isAbove(memory.state, "put");
  }

  #refusal(sort: WriteSort, bytes: number): string | undefined {
    return this.#diskRefusal(sort, bytes) ?? this.#memoryRefusal(sort);
  }

  #diskRefusal(sort: WriteSort, bytes: number): string | undefined {
    const { space } = this.#options;
    if (space.spareFailure === undefined) return undefined;
    const reserve = Math.min(space.segmentRoomBytes / 4, RESERVE_BYTES_MAX);
    const kept = DISK_KEPT[sort] * reserve;
    if (space.hasRoomFor(this.#takenBytes + bytes + kept)) return undefined;
    return this.#diskReason =
      `The log is full: its next file cannot be made (${space.spareFailure}), ${space.restBytes} bytes of ` +
      `this one are left, and the last ${Math.round(kept)} are kept; free disk space under --data-dir, or ` +
      "file descriptors, and writes are taken again";
  }

  #memoryRefusal(sort: WriteSort): string | undefined {
    const { log, state } = this.#options.memory;
    if (isAbove(log, sort)) return memoryFull(log, "--log-memory-bytes");
    return isAbove(state, sort) ? memoryFull(state, "--memory-bytes") : undefined;
  }
}

/** Reads need a leader's own entries, too, and a node that is full goes on reading. */
function sortOf(command: Uint8Array): WriteSort {
  if (isUpkeep(command)) return "append";
  return onlyDeletes(command) ? "delete" : "put";
}

function isAbove(part: MemoryPart, sort: WriteSort): boolean {
  return part.usedBytes >= part.limitBytes * MEMORY_SHARE[sort];
}

function memoryFull({ name, usedBytes, limitBytes }: MemoryPart, flag: string): string {
  return `This node holds ${usedBytes} of the ${limitBytes} bytes of memory that it may hold as ${name}, and ` +
    `the rest is kept: delete what is not needed, add nodes, or start it with more (${flag})`;
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const { data } of entries) bytes += data.length + ENTRY_OVERHEAD_BYTES;
  return bytes;
}

function withoutEntries(message: AppendRequest): AppendRequest {
  return { ...message, entries: [] };
}
