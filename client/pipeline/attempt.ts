/**
 * One attempt of one call: sent to one node, ended by an answer, by the deadline, or when it turns out that
 * no answer will come. A paused node keeps its connections open, so silence alone says nothing; after a
 * second of it the node is asked something cheap. If it answers, it is alive and only slow, and the attempt
 * goes on; if not, or if the partition has a new leader by then, the attempt is given up and may be repeated
 * elsewhere under its request id.
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

const NO_TIME_LEFT = {
  kind: "deadline",
  message: "The deadline passed before another attempt could be made",
} as const;

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
  /** Whether the answer is still waited for; asked when the node has been silent for a while. */
  readonly isWanted: () => boolean;
}

/** What came of an attempt. */
export type AttemptResult =
  | { readonly kind: "answered"; readonly response: Uint8Array }
  | { readonly kind: "failed"; readonly failure: CallFailure };

/** Makes `attempt`; never rejects. */
export async function runAttempt(context: AttemptContext, attempt: Attempt): Promise<AttemptResult> {
  const timeoutMs = Math.ceil(attempt.deadline - context.clock.now());
  if (timeoutMs <= 0) return failedWith(NO_TIME_LEFT);
  const controller = new AbortController();
  const watchdog = new Watchdog(context, attempt);
  const { target, path, body, readOnly } = attempt;
  try {
    const call = context.caller.call({
      ...target,
      path,
      body,
      readOnly,
      clusterId: context.routes.clusterId,
      timeoutMs,
      signal: controller.signal,
    });
    const answer = call.then(
      (response): AttemptResult => ({ kind: "answered", response }),
      (error) => failedWith(failureOf(error)),
    );
    const result = await Promise.race([answer, watchdog.givenUp]);
    noteHealth(context.routes, target.address, result);
    return result;
  } catch (error) {
    return failedWith(failureOf(error));
  } finally {
    watchdog.stop();
    controller.abort();
  }
}

function noteHealth(routes: Routes, address: string, result: AttemptResult): void {
  if (result.kind === "answered") return routes.trust(address);
  routes.noteFailure(address, result.failure);
}

function failedWith(failure: CallFailure): AttemptResult {
  return { kind: "failed", failure };
}

/** Resolves `givenUp` at the deadline, or when silence turns out to be for good. */
class Watchdog {
  readonly givenUp: Promise<AttemptResult>;
  readonly #context: AttemptContext;
  readonly #attempt: Attempt;
  #giveUp: (result: AttemptResult) => void = () => {};
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
    this.#giveUp(failedWith({ kind: "deadline", message: `${address} did not answer before the deadline` }));
  }

  async #onSilence(): Promise<void> {
    const { target, isWanted } = this.#attempt;
    if (!isWanted()) return this.#endAsSilent("The caller does not wait for the answer any more");
    const { address } = target;
    const isAlive = await this.#context.discovery.probe(address);
    if (this.#stopped) return;
    if (!isAlive) return this.#endAsSilent(`${address} has stopped answering`);
    if (this.#hasBetterTarget()) {
      return this.#endAsSilent(`The partition has a leader since ${address} was asked`);
    }
    this.#arm();
  }

  #endAsSilent(message: string): void {
    this.#giveUp(failedWith({ kind: "silent", message }));
  }

  /**
   * A leader elsewhere: this one was deposed, or the node that was to forward still forwards to a dead one. A
   * node that was to forward may lead itself by now, and still wait for the one to which it has forwarded.
   */
  #hasBetterTarget(): boolean {
    const { routes, target } = this.#attempt;
    return routes.some((route) => {
      const best = this.#context.routes.leaderOf(route);
      return best.direct && (best.address !== target.address || !target.direct);
    });
  }
}
