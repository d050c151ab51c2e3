/**
 * What a node may hold in memory, in parts: the entries of the log, the state of its replicas, and the calls
 * under way. What each counts is what it costs, objects and all, measured with V8's heap statistics; the
 * constants stand where the things are made.
 *
 * @module
 */

import type { MemoryLimits } from "../api/mod.ts";

/** One part of what a node may hold. */
export class MemoryPart {
  readonly name: keyof MemoryLimits;
  readonly limitBytes: number;
  /** As of the last look. */
  usedBytes = 0;

  constructor(name: keyof MemoryLimits, limitBytes: number) {
    this.name = name;
    this.limitBytes = limitBytes;
  }
}

/** All parts. */
export interface MemoryBudget {
  readonly log: MemoryPart;
  readonly state: MemoryPart;
  readonly calls: MemoryPart;
}

/** A budget of which nothing is used. */
export function createMemoryBudget(limits: MemoryLimits): MemoryBudget {
  return {
    log: new MemoryPart("log", limits.log),
    state: new MemoryPart("state", limits.state),
    calls: new MemoryPart("calls", limits.calls),
  };
}
