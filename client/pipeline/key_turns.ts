/**
 * Conditional writes of one key take turns: one is on its way, the others of this client wait. Sent together,
 * all but one of them would be refused anyway, each at the price of a call, and a hundred loops that compare
 * and set would send some thousand calls for a hundred writes.
 *
 * ```
 * put a if 7 ──▶ waits           put a if 7 ──▶ waits longer
 *   │ on its way ──▶ done: a is at 8 ─┬─▶ waited before it left, if 7: refused here, its caller reads again
 *   ▼                                 └─▶ the others: the next on its way
 * ```
 *
 * What waits for a version that is past is refused without being sent, and told the version that the answer
 * names, if it has waited since before that answer's call had left: then the key was at that version while
 * it waited. One that came later may have come after others have changed the key again, so that the version
 * would be one of before its time; it is sent. Nothing else is decided here: conditions are the nodes' to
 * judge, and the turn of a write ends when its caller has its answer, whatever becomes of the call.
 *
 * @module
 */

import type { DecodedWriteResult } from "../codec/mod.ts";
import { type ClientClock, deadlineError, PreconditionError } from "../transport/mod.ts";
import { afterMicrotasks, MICROTASK_ROUNDS } from "./batcher.ts";
import type { PendingWrite } from "./writes.ts";

/** What turns work with. */
export interface TurnOptions {
  readonly clock: ClientClock;
  readonly send: (item: PendingWrite) => void;
}

/** Writes of one key. */
interface Turn {
  /** The one on its way. */
  current: PendingWrite;
  /** It has left, perhaps. */
  isSent: boolean;
  /** In the order in which they came. */
  readonly waiting: Map<PendingWrite, Wait>;
}

/** How a write waits. */
interface Wait {
  /** It came before the one on its way had left. */
  isEarly: boolean;
  /** Stops its timer. */
  readonly cancel: () => void;
}

/** What an answer says about a key. */
interface KeyNews {
  /** Every version below it is past. */
  readonly version: number;
  /** The version the key is at, 0 when there is no such key. */
  readonly current: number;
}

const NO_NEWS: KeyNews = { version: 0, current: 0 };

/** See the module comment. */
export class KeyTurns {
  readonly #options: TurnOptions;
  readonly #turns = new Map<string, Turn>();

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  /**
   * Sends `item`, now or when it is its turn.
   *
   * @param settled what its caller waits for
   */
  take(item: PendingWrite, settled: Promise<DecodedWriteResult>): void {
    const name = nameOf(item);
    const turn = this.#turns.get(name);
    settled.then(
      (result) => this.#end(name, item, newsOfResult(item, result)),
      (error) => this.#end(name, item, newsOfError(error)),
    );
    if (turn !== undefined) return this.#wait(item, turn);
    const begun: Turn = { current: item, isSent: false, waiting: new Map() };
    this.#turns.set(name, begun);
    this.#sendSoon(begun);
  }

  /** Behind the calls that are made together with it, so that its answer can speak for them. */
  #sendSoon(turn: Turn): void {
    const { current } = turn;
    turn.isSent = false;
    afterMicrotasks(MICROTASK_ROUNDS, () => {
      if (turn.current !== current || current.isSettled) return;
      turn.isSent = true;
      this.#options.send(current);
    });
  }

  #wait(item: PendingWrite, turn: Turn): void {
    const { clock } = this.#options;
    const expire = () => item.reject(deadlineError(undefined));
    const timer = clock.after(Math.max(0, item.deadline - clock.now()), expire);
    turn.waiting.set(item, { isEarly: !turn.isSent, cancel: timer });
  }

  #end(name: string, item: PendingWrite, news: KeyNews): void {
    const turn = this.#turns.get(name);
    if (turn === undefined) return;
    if (turn.current !== item) return leave(turn, item);
    for (const [waiting, { isEarly }] of turn.waiting) {
      if (!waiting.isSettled && !(isEarly && isPast(waiting, news))) continue;
      leave(turn, waiting);
      waiting.reject(pastError(news));
    }
    const [next] = turn.waiting.keys();
    if (next === undefined) return void this.#turns.delete(name);
    leave(turn, next);
    turn.current = next;
    for (const wait of turn.waiting.values()) wait.isEarly = true;
    this.#sendSoon(turn);
  }
}

/** Takes `item` out of those that wait. */
function leave({ waiting }: Turn, item: PendingWrite): void {
  waiting.get(item)?.cancel();
  waiting.delete(item);
}

/** A character for each byte. */
function nameOf({ request }: PendingWrite): string {
  return String.fromCharCode(...request.key);
}

function newsOfResult({ request }: PendingWrite, { version }: DecodedWriteResult): KeyNews {
  return { version, current: request.kind === "delete" ? 0 : version };
}

function newsOfError(error: unknown): KeyNews {
  const version = error instanceof PreconditionError ? error.currentVersion : undefined;
  return version === undefined ? NO_NEWS : { version, current: version };
}

/** Whether `item` expects a version that the key has left for good. */
function isPast({ request }: PendingWrite, { version }: KeyNews): boolean {
  const { precondition } = request;
  // Version 0 stands for no such key, and a key can be removed at any time.
  return precondition?.kind === "version" && precondition.version > 0 && precondition.version < version;
}

function pastError({ current }: KeyNews): PreconditionError {
  const state = current === 0 ? "there is no such key any more" : `the key is at version ${current}`;
  return new PreconditionError(`Cannot write: ${state}. Read it again and try with what it is now`, current);
}
