/**
 * What commands are given to work with, so that they can be run without a process of their own.
 *
 * @module
 */

import type { PrkDbClient } from "../mod.ts";
import type { Encoding } from "./encoding.ts";

/** What the command needs of its process. */
export interface CommandContext {
  readonly environment: (name: string) => string | undefined;
  /** All of standard input. */
  readonly readInput: () => Promise<Uint8Array>;
  /** What whoever sits at standard input answers; `undefined` when it is no terminal. */
  readonly ask: (question: string) => Promise<string | undefined>;
  readonly writeOutput: (bytes: Uint8Array) => void;
  readonly writeError: (text: string) => void;
  /** Standard error is a terminal, so that what is drawn there may be drawn over. */
  readonly isTerminal: boolean;
}

/** What an action works with. */
export interface ActionContext extends CommandContext {
  readonly client: PrkDbClient;
  readonly encoding: Encoding;
  readonly json: boolean;
  /**
   * Milliseconds that the command may still take; `undefined` when it was given no limit.
   *
   * @throws {PrkDbError} `deadline_exceeded` when there are none left
   */
  readonly leftMs: () => number | undefined;
}

/** Does its work and returns the exit code. */
export type CliAction = (context: ActionContext) => Promise<number>;

/** What an action works with that asks no cluster. */
export interface LocalContext extends CommandContext {
  readonly json: boolean;
}

/** Does its work on this machine and returns the exit code. */
export type LocalAction = (context: LocalContext) => Promise<number>;
