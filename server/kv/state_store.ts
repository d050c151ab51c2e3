/**
 * Where a state machine keeps its rows: a map in order, larger than memory, which knows at which version each
 * row was written. The state machine knows nothing else of it; `server/state` has the real one.
 *
 * ```
 * 01 key                    what a user's key holds: the value as it is
 * 00 65 key                 when that key expires: replicated time varint (ms)
 * 00 73 client id (8 bytes) a session (`session.ts`)
 * 00 74                     the time that the state stands at: format u8 (1) · replicated time varint (ms)
 * ```
 *
 * Rows of users and times of expiry are written by the command that changes them. Sessions and the time stay
 * in memory, where every command changes them, and become rows when the store is about to be flushed: so that
 * a store whose point is an entry holds exactly what the entries up to there amount to.
 *
 * @module
 */

/** A row that is written; `undefined` removes it. */
export interface StateChange {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** What a row holds. */
export interface StateRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Log index at which it was last written. */
  readonly version: number;
}

/** A row could not be read; nothing is known of it. */
export class StateReadError extends Error {
  override readonly name = "StateReadError";
  /** Whether what is on the disk is not what was written; else it may be read another time. */
  readonly isDamaged: boolean;

  constructor(
    message: string,
    { isDamaged, cause }: { readonly isDamaged: boolean; readonly cause: unknown },
  ) {
    super(message, { cause });
    this.isDamaged = isDamaged;
  }
}

/** See the module comment. Reading throws {@linkcode StateReadError} when a row cannot be read. */
export interface StateStore {
  /** Rows, an estimate where rows were overwritten or removed. */
  readonly rowCount: number;
  /** Bytes of keys and values, an estimate likewise. */
  readonly rowBytes: number;
  /** Bytes of memory that it takes. */
  readonly memoryBytes: number;
  /** What a row holds; the value is for use, not for keeping. */
  get(key: Uint8Array): Pick<StateRow, "value" | "version"> | undefined;
  /** Writes rows, all visible at once; keys and values are copied. */
  write(changes: readonly StateChange[], version: number): void;
  /** The rows whose keys begin with `prefix`, in order; they are copies. Nothing may be written meanwhile. */
  rows(prefix: Uint8Array): Generator<StateRow>;
}

/** Begins the keys of users. */
export const USER_ROWS = Uint8Array.of(1);
/** Begins the rows of times at which keys expire. */
export const EXPIRY_ROWS = Uint8Array.of(0, 0x65);
/** Begins the rows of sessions. */
export const SESSION_ROWS = Uint8Array.of(0, 0x73);
/** The row of the time. */
export const TIME_ROW = Uint8Array.of(0, 0x74);

/** The key of a row: `prefix` and what makes it one of many. */
export function rowKey(prefix: Uint8Array, rest: Uint8Array): Uint8Array {
  const { length } = prefix;
  const key = new Uint8Array(length + rest.length);
  for (let at = 0; at < length; at++) key[at] = prefix[at]!;
  if (rest.length > LOOP_BYTES_MAX) key.set(rest, length);
  else for (let at = 0; at < rest.length; at++) key[length + at] = rest[at]!;
  return key;
}

/** Up to so many bytes a loop copies faster than a call. */
const LOOP_BYTES_MAX = 64;
