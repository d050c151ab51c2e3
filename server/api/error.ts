/**
 * Errors that a caller may get, in the words of the domain. `rpc/method/connect_error.ts` gives each its
 * Connect code; nothing else in the node knows about wire errors.
 *
 * @module
 */

import type { NodeId, Term } from "../../raft/mod.ts";

/** What went wrong, and what the caller needs to know to go on. */
export type Failure =
  | { readonly kind: "invalidArgument" }
  /** The key is at `currentVersion`, 0 when there is no such key. */
  | { readonly kind: "precondition"; readonly currentVersion: number }
  /** What is to be incremented is no number, or the new one would be out of range. */
  | { readonly kind: "notANumber" }
  /** Another mutation of the same partition in the batch failed, so this one was not applied. */
  | { readonly kind: "batchAborted" }
  | {
    readonly kind: "notLeader";
    readonly leaderId: NodeId;
    readonly leaderAddress: string;
    readonly term: Term;
    readonly epoch: number;
  }
  /** The caller means another cluster. Nothing has happened. */
  | { readonly kind: "wrongCluster" }
  /** No leader or no quorum in time, or the node is starting or stopping. Nothing has happened. */
  | { readonly kind: "unavailable" }
  /** A limit is reached: queue, window, memory or disk. Nothing has happened. */
  | { readonly kind: "overloaded" }
  /** The write may or may not have happened: leadership was lost before its outcome was known. */
  | { readonly kind: "outcomeUnknown" }
  /** The deadline passed; a write may or may not have happened. */
  | { readonly kind: "deadline" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "outOfRange" }
  | { readonly kind: "dataLoss" }
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "permissionDenied" }
  | { readonly kind: "unimplemented" }
  | { readonly kind: "internal" };

/** Thrown, or carried in a result, when a call cannot do what was asked. */
export class DomainError extends Error {
  override readonly name = "DomainError";
  readonly failure: Failure;
  /** What exactly refused the call, where the kind leaves it open; for metrics. */
  readonly refusedBy: RefusedBy | undefined;

  constructor(failure: Failure, message: string, refusedBy?: RefusedBy) {
    super(message);
    this.failure = failure;
    this.refusedBy = refusedBy;
  }
}

/** Limits and states that refuse calls. */
export type RefusedBy =
  | "log_full"
  | "queue_full"
  | "calls_full"
  | "bodies_full"
  | "answers_full"
  | "watchers_full"
  | "no_leader"
  | "not_founded"
  | "stopping";

/** Whoever counts refusals. */
export interface RefusalMeters {
  /** A call fails with `error`; told of the same error again, it counts once. */
  observeRefusal(error: DomainError): void;
}

/** Failures that are answers: what was asked could be judged. */
const ANSWERS: ReadonlySet<Failure["kind"]> = new Set([
  "precondition",
  "notANumber",
  "batchAborted",
  "cancelled",
]);

/** Why a call was refused, as metrics name it; `undefined` when it was not. */
export function refusalReason({ failure: { kind }, refusedBy }: DomainError): string | undefined {
  if (ANSWERS.has(kind)) return undefined;
  return refusedBy ?? kind.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Wrong input, with a message that names the limit or the field. */
export function invalidArgument(message: string): DomainError {
  return new DomainError({ kind: "invalidArgument" }, message);
}
