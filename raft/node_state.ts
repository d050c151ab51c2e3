/**
 * What all replicas of a node share: its time, and which other nodes are alive. Time comes in two kinds.
 * Ticks drive timers; they may come late and stand still while the process does, which only makes a replica
 * more patient. The clock is what the host read at the start of the turn; it goes on while the process stands
 * still, so only the clock can tell that a lease has run out.
 *
 * @module
 */

import { PeerTable } from "./peer_table.ts";

/** See the module comment. */
export class NodeState {
  readonly peers = new PeerTable();
  /** Ticks since the start. */
  now = 0;
  /** The host's monotonic clock in whole ticks, rounded down. Invariant: never falls. */
  clock = 0;
  /** Whether the host has told the time in this turn; without that no lease is believed. */
  isClockFresh = false;

  /** The host says what time it is; the reading of a clock that went back is ignored. */
  setClock(ticks: number): void {
    this.clock = Math.max(this.clock, ticks);
    this.isClockFresh = true;
  }
}
