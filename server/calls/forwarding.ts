/**
 * Calls that this node cannot answer itself: those it has passed on to a leader, and those that wait until
 * there is one. Bounded by the node's budget of calls in flight, which counts them too.
 *
 * A call is passed on by its first node only, and again only if the answer was that nothing has happened.
 *
 * @module
 */

import type { GroupId, NodeId } from "../../raft/mod.ts";
import { DomainError, type Failure, type ReadResult } from "../api/mod.ts";
import { groupOfPartition } from "../cluster/mod.ts";
import type { Outcome } from "../kv/mod.ts";
import type { ForwardedCall, ForwardedReply } from "../ports/mod.ts";
import { type Call, type CallResult, failCall, failOver, isOver } from "./call.ts";
import { late, noLeader, outcomeUnknown, stopping } from "./refusal.ts";

interface PassedCall {
  readonly to: NodeId;
  readonly call: Call;
}

/** Where a call is passed on to, and when. */
interface Passage {
  readonly to: NodeId;
  readonly nowMs: number;
}

/**
 * Answers after which a call is asked again until its deadline: the node does not lead any more, knows of no
 * leader, or is stopping.
 */
const NOTHING_HAPPENED: ReadonlySet<Failure["kind"]> = new Set(["notLeader", "unavailable"]);

/** Numbers of calls that belong to one seed; with the seeds above them they fill the safe integers. */
const CALL_IDS_PER_SEED = 2 ** 21;
/** So many seeds fit into a safe integer beside it. */
const SEEDS = 2 ** 32;

/** See the module comment. */
export class Forwarding {
  readonly #passed = new Map<number, PassedCall>();
  #parked: Call[] = [];
  #lastCallId: number;

  /**
   * @param seed another one for each start of the process: a leader may still answer calls that an earlier
   *   process of this node has passed on, and they must not be taken for answers to calls of this one
   */
  constructor(seed: number) {
    this.#lastCallId = (Math.abs(seed) % SEEDS) * CALL_IDS_PER_SEED;
  }

  /** Calls here, passed on or waiting. */
  get size(): number {
    return this.#passed.size + this.#parked.length;
  }

  /** Remembers that `call` goes to `to`, and returns what to send. */
  passOn(call: Call, { to, nowMs }: Passage): ForwardedCall {
    const callId = ++this.#lastCallId;
    this.#passed.set(callId, { to, call });
    const group: GroupId = groupOfPartition(call.partitionId);
    const timeoutMs = Math.max(1, Math.ceil(call.deadlineMs - nowMs));
    return call.kind === "write"
      ? { kind: "write", callId, timeoutMs, group, command: call.command }
      : { kind: "read", callId, timeoutMs, group, keys: call.keys };
  }

  /** Keeps a call until there is a leader to ask. */
  park(call: Call): void {
    this.#parked.push(call);
  }

  /** All calls that wait for a leader. */
  takeParked(): readonly Call[] {
    const calls = this.#parked;
    this.#parked = [];
    return calls;
  }

  /** The group that a passed call is for. */
  groupOf(callId: number): GroupId | undefined {
    const passed = this.#passed.get(callId);
    return passed === undefined ? undefined : groupOfPartition(passed.call.partitionId);
  }

  /** Settles the call a reply belongs to; returns it instead if it must be asked again. */
  takeReply(from: NodeId, reply: ForwardedReply): Call | undefined {
    const passed = this.#passed.get(reply.callId);
    if (passed === undefined || passed.to !== from) return undefined;
    this.#passed.delete(reply.callId);
    const { call } = passed;
    if (reply.kind === "failed") {
      if (NOTHING_HAPPENED.has(reply.failure.kind)) return call;
      failCall(call, new DomainError(reply.failure, reply.message));
    } else if (reply.kind === "outcome" && call.kind === "write") {
      call.settle({ ok: true, value: reply.outcome });
    } else if (reply.kind === "values" && call.kind === "read" && reply.values.length === call.keys.length) {
      call.settle({ ok: true, value: reply.values });
    } else {
      failCall(
        call,
        new DomainError(
          { kind: "internal" },
          `Cannot use the answer of node ${from}: it does not fit the call`,
        ),
      );
    }
    return undefined;
  }

  /** Takes back calls that certainly did not leave. */
  takeLost(calls: readonly ForwardedCall[]): readonly Call[] {
    return calls.flatMap(({ callId }) => {
      const passed = this.#passed.get(callId);
      this.#passed.delete(callId);
      return passed === undefined ? [] : [passed.call];
    });
  }

  /** A peer is gone: its reads can be asked again; whether its writes happened is not known. */
  losePeer(peer: NodeId): readonly Call[] {
    const again: Call[] = [];
    for (const [callId, { to, call }] of this.#passed) {
      if (to !== peer) continue;
      this.#passed.delete(callId);
      if (call.kind === "read") again.push(call);
      else failCall(call, lostLeader(call, peer));
    }
    return again;
  }

  /** Fails all calls that nobody waits for any more. */
  expire(nowMs: number): void {
    for (const [callId, { call, to }] of this.#passed) {
      if (!isOver(call, nowMs)) continue;
      this.#passed.delete(callId);
      failOver(call, late(call, `node ${to}`));
    }
    const waiting = this.#parked;
    this.#parked = [];
    for (const call of waiting) {
      if (isOver(call, nowMs)) failOver(call, noLeader(call.partitionId));
      else this.#parked.push(call);
    }
  }

  /** Fails everything; for the end of the node. */
  close(): void {
    for (const { call, to } of this.#passed.values()) {
      failCall(call, call.kind === "write" ? lostLeader(call, to) : stopping());
    }
    for (const call of this.#parked) failCall(call, stopping());
    this.#passed.clear();
    this.#parked = [];
  }
}

/** Where a leader's result of a forwarded call goes: back, as a reply. */
export function replyOf(callId: number, result: CallResult<Outcome | readonly ReadResult[]>): ForwardedReply {
  if (!result.ok) {
    return { kind: "failed", callId, failure: result.error.failure, message: result.error.message };
  }
  return isValues(result.value)
    ? { kind: "values", callId, values: result.value }
    : { kind: "outcome", callId, outcome: result.value };
}

function lostLeader({ partitionId }: Call, peer: NodeId): DomainError {
  return outcomeUnknown(partitionId, `the connection to node ${peer} broke`);
}

function isValues(value: Outcome | readonly ReadResult[]): value is readonly ReadResult[] {
  return Array.isArray(value);
}
