/**
 * Which writes have taken effect, and with what outcome, so that a retried write does not take effect again
 * (§6.3 of Ongaro's thesis). Part of the replicated state: every replica forgets the same outcomes at the
 * same entry.
 *
 * An outcome is kept until one of these happens:
 *
 * - its client acknowledges it;
 * - the client has 4,096 younger outcomes here, or so many that they take 12 MiB;
 * - the client has been silent for 15 minutes of replicated time;
 * - 65,536 other clients have been seen since.
 *
 * After one of the first two, a retry is told that the outcome is forgotten, and does not take effect. After
 * one of the last two the whole session is gone, and a retry is a new write; clients give up long before,
 * their longest deadline is five minutes.
 *
 * Sessions are in memory. Those that have changed since are handed out as rows when the state is written to
 * its store (`state_store.ts`), and all of them are made of those rows when it is read:
 *
 * ```
 * row = format u8 (1) · place varint · last seen varint (ms) · forgotten below varint · count varint
 *       · (sequence varint · length varint · outcome)*        in the order in which they were applied
 * ```
 *
 * The place is where the session stands among the others, the least recently seen first: a number that grows
 * with every write that is remembered.
 *
 * @module
 */

import { varintSize, WireReader, WireWriter } from "../../proto/mod.ts";
import { decodeOutcome, encodeOutcome, type Outcome } from "./outcome.ts";
import { rowKey, SESSION_ROWS, type StateChange, type StateRow } from "./state_store.ts";
import type { RequestId } from "./types.ts";

/** Clients remembered in one partition. */
export const SESSIONS_MAX = 65_536;
/** Outcomes kept for one client. */
export const SESSION_RESULTS_MAX = 4_096;
/** Bytes that the outcomes of one client may take in its row, which a store bounds at 16 MiB. */
const SESSION_BYTES_MAX = 12 * 1024 * 1024;
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
/** Rows that are read in one piece. */
export const ROWS_AT_ONCE = 64;
/** Of an outcome in a row, at most: itself with its lengths, and what it lists. */
const OUTCOME_ROW_BYTES = 32;
const EXISTED_ROW_BYTES = 2;
const FAILURE_ROW_BYTES = 10;
/** With its characters. */
const NUMBER_ROW_BYTES = 3;
/** Of a row. */
const ROW_FORMAT = 1;

interface Session {
  /** Outcomes by sequence, in the order in which the writes were applied. */
  readonly results: Map<number, Outcome>;
  /** Outcomes of sequences below this one may be forgotten already. */
  forgottenBelow: number;
  lastSeenMs: number;
  /** At most so many bytes its outcomes take in a row. */
  rowBytes: number;
  /** Grows with every write that any session remembers. */
  place: number;
  /** Whether the store has a row of it. */
  isSaved: boolean;
}

/** The sessions of one partition. */
export class Sessions {
  /** Least recently seen first. */
  readonly #sessions = new Map<string, Session>();
  /** Clients whose rows in the store are not as their sessions are. */
  readonly #unsaved = new Set<string>();
  #outcomeBytes = 0;
  #places = 0;
  #savedCount = 0;

  /** What the rows of a store amount to, which come in any order; in pieces. */
  static *restoring(rows: Iterable<StateRow>): Generator<void, Sessions> {
    const restored: (readonly [string, Session])[] = [];
    for (const { key, value } of rows) {
      restored.push([clientOf(key), decodeSession(value)]);
      if (restored.length % ROWS_AT_ONCE === 0) yield;
    }
    restored.sort(([, left], [, right]) => left.place - right.place);
    const sessions = new Sessions();
    for (const [clientId, session] of restored) {
      sessions.#adopt(clientId, session);
      if (sessions.size % ROWS_AT_ONCE === 0) yield;
    }
    return sessions;
  }

  /** Bytes of memory that all of it takes. */
  get memoryBytes(): number {
    return this.#sessions.size * SESSION_MEMORY_BYTES + this.#outcomeBytes;
  }

  /** Clients remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Clients whose rows are not as they should be. */
  get unsavedCount(): number {
    return this.#unsaved.size;
  }

  /** Rows in the store, once it has all that was taken. */
  get savedCount(): number {
    return this.#savedCount;
  }

  /**
   * Rows to be written so that the store has `countMax` more of the sessions as they are; whoever takes them
   * writes them.
   */
  takeUnsaved(countMax: number): StateChange[] {
    const rows: StateChange[] = [];
    for (const clientId of this.#unsaved) {
      if (rows.length === countMax) break;
      this.#unsaved.delete(clientId);
      rows.push(this.#save(clientId));
    }
    return rows;
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
    session.rowBytes += rowBytesOf(outcome);
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

  #adopt(clientId: string, session: Session): void {
    this.#sessions.set(clientId, session);
    for (const outcome of session.results.values()) this.#outcomeBytes += memoryBytesOf(outcome);
    this.#places = session.place;
    this.#savedCount++;
  }

  #save(clientId: string): StateChange {
    const key = rowKey(SESSION_ROWS, Uint8Array.fromHex(clientId));
    const session = this.#sessions.get(clientId);
    if (session === undefined) {
      this.#savedCount--;
      return { key, value: undefined };
    }
    if (!session.isSaved) this.#savedCount++;
    session.isSaved = true;
    return { key, value: encodeSession(session) };
  }

  #touch(clientId: string, nowMs: number): Session {
    const session = this.#sessions.get(clientId) ?? newSession(this.#unsaved.has(clientId));
    session.lastSeenMs = nowMs;
    session.place = ++this.#places;
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, session);
    this.#unsaved.add(clientId);
    return session;
  }

  #evict(nowMs: number): void {
    for (const [clientId, session] of this.#sessions) {
      const isOld = nowMs - session.lastSeenMs > SESSION_AGE_MS_MAX;
      if (!isOld && this.#sessions.size <= SESSIONS_MAX) return;
      for (const outcome of session.results.values()) this.#outcomeBytes -= memoryBytesOf(outcome);
      this.#sessions.delete(clientId);
      if (session.isSaved) this.#unsaved.add(clientId);
      else this.#unsaved.delete(clientId);
    }
  }
}

/** @param isSaved whether a row of an earlier session of the client is in the store still */
function newSession(isSaved: boolean): Session {
  return { results: new Map(), rowBytes: 0, forgottenBelow: 0, lastSeenMs: 0, place: 0, isSaved };
}

function clientOf(key: Uint8Array): string {
  return key.subarray(SESSION_ROWS.length).toHex();
}

function encodeSession({ place, lastSeenMs, forgottenBelow, results }: Session): Uint8Array {
  const outcomes = [...results].map(([sequence, outcome]) => [sequence, encodeOutcome(outcome)] as const);
  const numbers = [place, lastSeenMs, forgottenBelow, outcomes.length];
  let length = 1 + numbers.reduce((sum, each) => sum + varintSize(each), 0);
  for (const [sequence, { length: bytes }] of outcomes) {
    length += varintSize(sequence) + varintSize(bytes) + bytes;
  }
  const writer = new WireWriter(new Uint8Array(length));
  writer.byte(ROW_FORMAT);
  for (const number of numbers) writer.varint(number);
  for (const [sequence, bytes] of outcomes) {
    writer.varint(sequence);
    writer.lengthPrefixed(bytes);
  }
  return writer.finishMeasured();
}

/** @throws {RangeError} when the bytes are not a session */
function decodeSession(bytes: Uint8Array): Session {
  const reader = new WireReader(bytes);
  const format = reader.byte();
  if (format !== ROW_FORMAT) throw new RangeError(`Cannot read a session of format ${format}`);
  const [place, lastSeenMs, forgottenBelow] = [reader.varint(), reader.varint(), reader.varint()];
  const results = new Map<number, Outcome>();
  let rowBytes = 0;
  for (let left = reader.varint(); left > 0; left--) {
    const sequence = reader.varint();
    const outcome = decodeOutcome(reader.lengthPrefixed());
    results.set(sequence, outcome);
    rowBytes += rowBytesOf(outcome);
  }
  reader.mustEnd();
  return { results, rowBytes, forgottenBelow, lastSeenMs, place, isSaved: true };
}

/** Returns the bytes of memory that are free now. */
function forgetAcknowledged(session: Session): number {
  let bytes = 0;
  for (const [sequence, outcome] of session.results) {
    const isDone = sequence < session.forgottenBelow;
    const isFull = session.results.size > SESSION_RESULTS_MAX || session.rowBytes > SESSION_BYTES_MAX;
    if (!isDone && !isFull) break;
    session.results.delete(sequence);
    session.rowBytes -= rowBytesOf(outcome);
    bytes += memoryBytesOf(outcome);
    if (!isDone) session.forgottenBelow = Math.max(session.forgottenBelow, sequence + 1);
  }
  return bytes;
}

/** All replicas must come to the same number: what is forgotten depends on it. */
function rowBytesOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case "applied": {
      const numbers = outcome.numbers ?? [];
      return numbers.reduce(
        (sum, { number }) => sum + NUMBER_ROW_BYTES + number.length,
        OUTCOME_ROW_BYTES + EXISTED_ROW_BYTES * outcome.existed.length,
      );
    }
    case "refused":
    case "notNumbers":
      return OUTCOME_ROW_BYTES + FAILURE_ROW_BYTES * outcome.failures.length;
    case "forgotten":
      return OUTCOME_ROW_BYTES;
  }
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
