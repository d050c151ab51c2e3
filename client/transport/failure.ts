/**
 * What a call to a node can come to, sorted by what the client does about it. This is the client's half of
 * the contract's error table; `errorOf` makes of it the error that the user of the client gets.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema, NotLeaderSchema } from "../../proto/mod.ts";
import { type ErrorCode, PreconditionError, PrkDbError } from "./error.ts";

/** Causes that are told; more than any platform nests, and an end for those that go round in a circle. */
const CAUSES_MAX = 8;

/** Where a node believes the leader to be. */
export interface LeaderHint {
  /** 0 when unknown. */
  readonly leaderId: number;
  /** `host:port`, empty when unknown. */
  readonly leaderAddress: string;
  readonly term: number;
}

/** Why a call did not succeed. All but `precondition` and `final` are worth another try. */
export type CallFailure =
  /** No answer: refused, reset, garbled. The request may have been received. `cause` is what was thrown. */
  | { readonly kind: "unreachable"; readonly message: string; readonly cause?: unknown }
  /** The node was silent for so long that the attempt was given up. */
  | { readonly kind: "silent"; readonly message: string }
  | { readonly kind: "notLeader"; readonly message: string; readonly hint: LeaderHint | undefined }
  /** The node belongs to another cluster than the client's; it has done nothing. */
  | { readonly kind: "wrongCluster"; readonly message: string }
  /** No leader, no quorum, or a node that is starting or stopping. */
  | { readonly kind: "unavailable"; readonly message: string }
  /** Leadership was lost before it was known whether the write took effect. */
  | { readonly kind: "outcomeUnknown"; readonly message: string }
  /** A limit of the node is reached. */
  | { readonly kind: "busy"; readonly message: string }
  /** The node ran into the deadline it was given. */
  | { readonly kind: "deadline"; readonly message: string }
  /** The node's copy is damaged; another replica may have a good one. */
  | { readonly kind: "damaged"; readonly message: string }
  | { readonly kind: "precondition"; readonly message: string; readonly currentVersion: number | undefined }
  | { readonly kind: "final"; readonly message: string; readonly code: ErrorCode };

/** Sorts what a `UnaryCaller` rejected with. */
export function failureOf(error: unknown): CallFailure {
  if (!(error instanceof ConnectError)) {
    return { kind: "unreachable", message: reasonOf(error), cause: error };
  }
  const info = error.findDetails(ErrorInfoSchema)[0];
  const hint = error.findDetails(NotLeaderSchema)[0];
  const message = error.rawMessage;
  if (hint !== undefined) {
    const { leaderId, leaderAddress } = hint;
    const leader = { leaderId, leaderAddress, term: Number(hint.term) };
    return { kind: "notLeader", message, hint: leader };
  }
  if (info?.reason === "PRECONDITION") {
    return { kind: "precondition", message, currentVersion: Number(info.currentVersion) };
  }
  return failureOfCode(info?.reason || codeToString(error.code), message);
}

/**
 * Sorts the `code` of one result of a `WriteBatch`: a reason where there is one, else the name of a Connect
 * code.
 */
export function failureOfCode(code: string, message: string): CallFailure {
  switch (code) {
    case "PRECONDITION":
      return { kind: "precondition", message, currentVersion: undefined };
    case "NOT_LEADER":
      return { kind: "notLeader", message, hint: undefined };
    case "WRONG_CLUSTER":
      return { kind: "wrongCluster", message };
    case "OUTCOME_UNKNOWN":
      return { kind: "outcomeUnknown", message };
    case "unavailable":
      return { kind: "unavailable", message };
    case "resource_exhausted":
      return { kind: "busy", message };
    case "deadline_exceeded":
      return { kind: "deadline", message };
    case "data_loss":
      return { kind: "damaged", message };
    default:
      return { kind: "final", message, code: isErrorCode(code) ? code : "unknown" };
  }
}

/** The error a caller sees when `failure` is not retried any more. */
export function errorOf(failure: CallFailure): PrkDbError {
  if (failure.kind === "precondition") return new PreconditionError(failure.message, failure.currentVersion);
  const cause = failure.kind === "unreachable" ? failure.cause : undefined;
  return new PrkDbError(codeOf(failure), failure.message, cause === undefined ? undefined : { cause });
}

/** The more telling of two failures in a row: that time ran out says less than what came before. */
export function tellingOf(earlier: CallFailure | undefined, later: CallFailure): CallFailure {
  return later.kind === "deadline" && earlier !== undefined ? earlier : later;
}

/**
 * The error for a call whose deadline has passed; `last` is why it had not succeeded before, if any attempt
 * has ended.
 */
export function deadlineError(last: CallFailure | undefined): PrkDbError {
  if (last === undefined) {
    return new PrkDbError(
      "deadline_exceeded",
      "No node answered before the deadline: try again, or allow more time with timeoutMs",
    );
  }
  const message = "The call did not succeed before its deadline: " +
    `it failed with ${codeOf(last)} until then (${last.message})`;
  return new PrkDbError("deadline_exceeded", message, { cause: errorOf(last) });
}

/**
 * What `error` and its causes say, the innermost last: `fetch failed` alone names neither the address nor
 * what was wrong with it.
 */
export function reasonOf(error: unknown): string {
  const parts: string[] = [];
  let rest: unknown = error;
  for (let depth = 0; rest !== undefined && depth < CAUSES_MAX; depth++) {
    const text = wordsOf(rest);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    rest = rest instanceof Error ? rest.cause : undefined;
  }
  return parts.join(": ");
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node.js tries every address of a name, and says nothing itself when all have failed.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(wordsOf).join(", ");
  return error.message;
}

function codeOf(failure: CallFailure): ErrorCode {
  switch (failure.kind) {
    case "unreachable":
    case "silent":
    case "notLeader":
    case "unavailable":
      return "unavailable";
    case "outcomeUnknown":
      return "aborted";
    case "busy":
      return "resource_exhausted";
    case "deadline":
      return "deadline_exceeded";
    case "damaged":
      return "data_loss";
    case "precondition":
    case "wrongCluster":
      return "failed_precondition";
    case "final":
      return failure.code;
    default:
      return unreachable(failure);
  }
}

function isErrorCode(name: string): name is ErrorCode {
  return CODE_NAMES.has(name);
}

const CODE_NAMES: ReadonlySet<string> = new Set(
  Object.values(Code).filter((code) => typeof code === "number").map((code) => codeToString(code as Code)),
);

function unreachable(value: never): never {
  throw new Error(`Unhandled failure: ${JSON.stringify(value)}`);
}
