/**
 * Time that leaders' monotonic clocks make, and what is forgotten by it.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { encodeCommand, stampCommand } from "./command.ts";
import type { Outcome } from "./outcome.ts";
import { ReplicatedClock } from "./replicated_clock.ts";
import { SESSION_AGE_MS_MAX } from "./session.ts";
import { KvStateMachine } from "./state_machine.ts";
import type { RequestId } from "./types.ts";

const MINUTE_MS = 60_000;

const test = suite("replicated clock");

test("a leader goes on from the applied state by its own monotonic clock", () => {
  const clock = new ReplicatedClock({ appliedMs: 1_000, monotonicMs: 77_000.5 });
  assert.is(clock.read({ appliedMs: 1_000, monotonicMs: 77_000.5 }), 1_000);
  assert.is(clock.read({ appliedMs: 1_000, monotonicMs: 77_250.6 }), 1_250);
  assert.is(clock.read({ appliedMs: 1_250, monotonicMs: 78_000.5 }), 2_000);
});

test("what earlier leaders left raises it, and it never goes back", () => {
  const clock = new ReplicatedClock({ appliedMs: 0, monotonicMs: 0 });
  assert.is(clock.read({ appliedMs: 0, monotonicMs: 10 }), 10);
  assert.is(clock.read({ appliedMs: 500, monotonicMs: 20 }), 500);
  assert.is(clock.read({ appliedMs: 500, monotonicMs: 30 }), 510);
  assert.is(clock.read({ appliedMs: 505, monotonicMs: 30 }), 510);
});

test("a session outlives changes of leaders and ends after 15 minutes of what they count", () => {
  const partition = new Partition();
  partition.lead(5_000_000);
  assert.is(partition.write(1, "00000000000000aa"), "applied");
  // Somebody else leads, whose clock has counted from another moment.
  partition.lead(12);
  partition.pass(SESSION_AGE_MS_MAX);
  assert.is(partition.write(1, "00000000000000bb"), "applied");
  assert.is(partition.versionOf(1, "00000000000000aa"), 1);
  partition.pass(MINUTE_MS);
  assert.is(partition.write(2, "00000000000000bb"), "applied");
  assert.is.not(partition.versionOf(1, "00000000000000aa"), 1);
});

test("an absurd stamp in an old log does not end expiry", () => {
  const partition = new Partition();
  partition.stamp(1, { clientId: "00000000000000aa", timeMs: 2 ** 45 });
  partition.lead(0);
  partition.pass(SESSION_AGE_MS_MAX + MINUTE_MS);
  assert.is(partition.write(1, "00000000000000bb"), "applied");
  assert.is.not(partition.versionOf(1, "00000000000000aa"), 1);
});

/** Who writes, and with what time on it. */
interface StampedBy {
  readonly clientId: string;
  readonly timeMs: number;
}

/** A partition whose commands are applied at once. */
class Partition {
  readonly #machine = new KvStateMachine(new MemoryStore());
  #clock = new ReplicatedClock({ appliedMs: 0, monotonicMs: 0 });
  #monotonicMs = 0;

  /** A node takes over whose clock shows `monotonicMs`. */
  lead(monotonicMs: number): void {
    this.#monotonicMs = monotonicMs;
    this.#clock = new ReplicatedClock({ appliedMs: this.#machine.timeMs, monotonicMs });
  }

  pass(ms: number): void {
    this.#monotonicMs += ms;
  }

  write(sequence: number, clientId: string): Outcome["kind"] {
    const reading = { appliedMs: this.#machine.timeMs, monotonicMs: this.#monotonicMs };
    return this.stamp(sequence, { clientId, timeMs: this.#clock.read(reading) }).kind;
  }

  /** The version at which a request takes effect, or took it. */
  versionOf(sequence: number, clientId: string): number {
    const outcome = this.stamp(sequence, { clientId, timeMs: 0 });
    assert.is(outcome.kind, "applied");
    return outcome.kind === "applied" ? outcome.version : 0;
  }

  stamp(sequence: number, { clientId, timeMs }: StampedBy): Outcome {
    const requestId: RequestId = { clientId, sequence, acknowledgedBelow: 0 };
    const key = new TextEncoder().encode(clientId);
    const command = encodeCommand(
      [{ kind: "put", key, value: key, ttlMs: 0, precondition: undefined }],
      requestId,
    );
    stampCommand(command, timeMs);
    return this.#machine.apply(this.#machine.appliedIndex + 1, command);
  }
}

test.run();
