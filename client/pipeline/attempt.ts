/**
 * One attempt of one call: sent to one node, ended by an answer, by the deadline, or by the finding that
 * nobody will answer. A paused node keeps its connections open, so silence alone says nothing; after a second
 * of it the node is asked something cheap. If it answers, it is alive and only slow, and the attempt goes on;
 * if not, or if the partition has a new leader by then, the attempt is given up and may be repeated elsewhere
 * under its request id.
 *
 * ```
 * 0 s      1 s                  ≤ 1.7 s
 * send ──▶ silence: probe node ──▶ no answer: give up
 *                              └─▶ answer: wait another second, probe again, … until the deadline
 * ```
 *
 * @module
 */

import type { Discovery, PartitionRoute, Routes, Target } from "../routing/mod.ts";
import { type CallFailure, type ClientClock, failureOf, type UnaryCaller } from "../transport/mod.ts";

/** Silence after which a node is probed; well above the slowest answers of a node that is only busy. */
const SILENCE_MS = 1_000;

/** What an attempt works with. */
export interface AttemptContext {
  readonly caller: UnaryCaller;
  readonly routes: Routes;
  readonly discovery: Discovery;
  readonly clock: ClientClock;
}

/** What is sent, where, and until when. */
export interface Attempt {
  readonly target: Target;
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly readOnly: boolean;
  /** On the client's clock. */
  readonly deadline: number;
  /** The partitions the call is about. */
  readonly routes: readonly PartitionRoute[];
  /** Whether anybody still waits for the answer; looked at when the node has been silent for a while. */
  readonly isWanted: () => boolean;
}

/** What came of an attempt. */
export type AttemptResult =
  | { readonly kind: "answered"; readonly response: Uint8Array }
  | { readonly kind: "failed"; readonly failure: CallFailure };

/** Makes `attempt`; never rejects. */
export async function runAttempt(context: AttemptContext, attempt: Attempt): Promise<AttemptResult> {
  const timeoutMs = Math.ceil(attempt.deadline - context.clock.now());
  if (timeoutMs <= 0) return failed({ kind: "deadline", message: "No time was left for another attempt" });
  const controller = new AbortController();
  const watch = new Watchdog(context, attempt);
  const { target, path, body, readOnly } = attempt;
  try {
    const answer = context.caller.call({
      ...target,
      path,
      body,
      readOnly,
      timeoutMs,
      signal: controller.signal,
    })
      .then(
        (response): AttemptResult => ({ kind: "answered", response }),
        (error) => failed(failureOf(error)),
      );
    const outcome = await Promise.race([answer, watch.givenUp]);
    noteHealth(context.routes, { address: target.address, outcome });
    return outcome;
  } catch (error) {
    return failed(failureOf(error));
  } finally {
    watch.stop();
    controller.abort();
  }
}

function noteHealth(
  routes: Routes,
  { address, outcome }: { readonly address: string; readonly outcome: AttemptResult },
) {
  if (outcome.kind === "answered") return routes.trust(address);
  if (outcome.failure.kind === "unreachable") routes.suspect(address);
}

function failed(failure: CallFailure): AttemptResult {
  return { kind: "failed", failure };
}

/** Resolves `givenUp` at the deadline, or when silence turns out to be for good. */
class Watchdog {
  readonly givenUp: Promise<AttemptResult>;
  readonly #context: AttemptContext;
  readonly #attempt: Attempt;
  #giveUp: (outcome: AttemptResult) => void = () => {};
  #cancelTimer = () => {};
  #stopped = false;

  constructor(context: AttemptContext, attempt: Attempt) {
    this.#context = context;
    this.#attempt = attempt;
    this.givenUp = new Promise((resolve) => this.#giveUp = resolve);
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer();
  }

  #arm(): void {
    const left = this.#attempt.deadline - this.#context.clock.now();
    if (left <= SILENCE_MS) {
      this.#cancelTimer = this.#context.clock.after(Math.max(0, left), () => this.#expire());
    } else this.#cancelTimer = this.#context.clock.after(SILENCE_MS, () => this.#onSilence());
  }

  #expire(): void {
    const address = this.#attempt.target.address;
    this.#giveUp(failed({ kind: "deadline", message: `${address} did not answer before the deadline` }));
  }

  async #onSilence(): Promise<void> {
    const { target, isWanted } = this.#attempt;
    if (!isWanted()) {
      return this.#giveUp(failed({ kind: "silent", message: "Nobody waits for the answer any more" }));
    }
    const alive = await this.#context.discovery.probe(target.address);
    if (this.#stopped) return;
    if (!alive) {
      return this.#giveUp(failed({ kind: "silent", message: `${target.address} does not answer any more` }));
    }
    if (this.#hasBetterTarget()) {
      return this.#giveUp(
        failed({ kind: "silent", message: `${target.address} is no longer the place to ask` }),
      );
    }
    this.#arm();
  }

  /**
   * A leader elsewhere: this one was deposed, or the node that was to forward still forwards to a dead one.
   */
  #hasBetterTarget(): boolean {
    const { routes, target } = this.#attempt;
    return routes.some((route) => {
      const best = this.#context.routes.leaderOf(route);
      return best.direct && best.address !== target.address;
    });
  }
}
