/**
 * Shows how far a change is: a bar on a terminal, a line per step elsewhere.
 *
 * @module
 */

import cliProgress from "cli-progress";
import type { ChangeProgress } from "../mod.ts";
import type { CommandContext } from "./context.ts";

/** Cells of the bar; beside it there is room for the words in 80 columns. */
const BAR_CELLS = 24;
const COLUMNS = 80;

/** Something to show progress on. */
export interface ProgressDisplay {
  show(progress: ChangeProgress): void;
  /** Leaves what was shown last and goes to a line of its own. */
  close(): void;
}

/** The part of the package that is used. */
interface Bar {
  start(total: number, value: number, payload: BarPayload): void;
  setTotal(total: number): void;
  update(value: number, payload: BarPayload): void;
  stop(): void;
}

interface BarPayload {
  readonly description: string;
}

/** A display on standard error. */
export function openProgress({ isTerminal, writeError }: CommandContext): ProgressDisplay {
  return isTerminal ? new BarDisplay(writeError) : new LineDisplay(writeError);
}

/** One line for people: the words, and the steps as far as they are known. */
export function progressText({ description, done, total }: ChangeProgress): string {
  return total === 0 ? description : `${description}: ${done} of ${total} steps`;
}

/** How far something is that is no change of the cluster. */
export function stepProgress(
  description: string,
  { done, total }: Pick<ChangeProgress, "done" | "total">,
): ChangeProgress {
  return { changeId: "", description, done, total, isFinished: false, error: "" };
}

/** A line whenever something has changed, for logs and pipes. */
class LineDisplay implements ProgressDisplay {
  readonly #write: (text: string) => void;
  #last = "";

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  show(progress: ChangeProgress): void {
    const text = progressText(progress);
    if (text !== this.#last) this.#write(`${text}\n`);
    this.#last = text;
  }

  close(): void {}
}

/** A bar that is drawn over itself. */
class BarDisplay implements ProgressDisplay {
  readonly #bar: Bar;
  #isStarted = false;

  constructor(write: (text: string) => void) {
    const SingleBar = cliProgress.SingleBar as new (options: object) => Bar;
    this.#bar = new SingleBar({
      format: "{bar} {percentage}% | {value}/{total} | {description}",
      barsize: BAR_CELLS,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      emptyOnZero: true,
      forceRedraw: true,
      // The terminal is never reconfigured, so Ctrl-C leaves it as it was.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
      stream: { isTTY: true, columns: COLUMNS, write },
    });
  }

  show(progress: ChangeProgress): void {
    const { description, isFinished, error } = progress;
    const total = Math.max(progress.total, progress.done);
    // A change that is done without a step is whole too.
    const isWhole = isFinished && error === "" && total === 0;
    const value = isWhole ? 1 : progress.done;
    if (!this.#isStarted) this.#bar.start(isWhole ? 1 : total, value, { description });
    this.#isStarted = true;
    this.#bar.setTotal(isWhole ? 1 : total);
    this.#bar.update(value, { description });
  }

  close(): void {
    if (this.#isStarted) this.#bar.stop();
  }
}
