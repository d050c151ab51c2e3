/**
 * What the log carries and where it lies in it.
 *
 * @module
 */

/** One item to be made durable. Its payload is `head` followed by `body`; the log does not look inside. */
export interface WalRecord {
  /** 0 to 2^32−1. */
  readonly group: number;
  /** 0 to 255, of the host's choosing. */
  readonly kind: number;
  readonly head: Uint8Array;
  readonly body: Uint8Array;
}

/** The frame a record lies in. Frames made later have greater positions. */
export interface WalPosition {
  readonly segment: number;
  /** Bytes from the start of the segment. */
  readonly offset: number;
}

/** A record that survived. */
export interface RecoveredRecord {
  readonly group: number;
  readonly kind: number;
  /** Head and body. A view of a buffer shared with the other records of its frame, never written again. */
  readonly payload: Uint8Array;
  readonly position: WalPosition;
}
