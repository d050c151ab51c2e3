/**
 * What a call to a node can come to, sorted by what the client does about it. This is the client's half of
 * the contract's error table; `errorOf` makes of it the error that the user of the client gets.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema, NotLeaderSchema } from "../../proto/mod.ts";
import { type ErrorCode, NotANumberError, PreconditionError, PrkDbError } from "./error.ts";

/** Causes that are told; more than any platform nests, and an end for those that go round in a circle. */
const CAUSES_MAX = 8;

/**
 * What runtimes say when a node is not reached, and the same in words. The words take the place of theirs,
 * which differ from runtime to runtime, are wrapped in URLs of calls, and do not say what to do.
 */
const EXPLAINED: readonly (readonly [said: RegExp, words: string])[] = [
  [
    /InvalidContentType|wrong version number|packet length too long|record layer failure/,
    "what answers there speaks no TLS (https): nodes of this version speak http, so use http://",
  ],
  [
    /Requests to port \d+ are blocked|\bbad port\b/i,
    "fetch refuses to connect to that port, as browsers do: start the node at another one (--grpc-port)",
  ],
  [/ECONNREFUSED|connection refused|actively refused/i, "Connection refused: no node listens there"],
  [
    /ECONNRESET|EPIPE|reset by peer|broken pipe|connection closed before|other side closed/i,
    "Connection closed before an answer came: the node may have stopped",
  ],
  [/ENOTFOUND|EAI_AGAIN|dns error|failed to lookup address/i, "No address is found for that name (DNS)"],
  [
    /EHOSTUNREACH|ENETUNREACH|No route to host|Network is unreachable/i,
    "No route to that host: it is down, or in another network",
  ],
  [
    /ETIMEDOUT|CONNECT_TIMEOUT|connection timed out|os error 110/i,
    "No connection came about in time: the host is down, or a firewall drops what is sent there",
  ],
  [/invalid HTTP version|Response does not match the HTTP/i, "what answers there does not speak HTTP"],
];

/** How Deno begins: with the URL of the call, request included, which says nothing about what was wrong. */
const SENT_WHERE =
  /error sending request (?:from \S+ )?for (?:url )?\S+(?: \(\S+\))?: (?:client error \(\w+\): )?/;

/** Where a node believes the leader to be. */
export interface LeaderHint {
  /** 0 when unknown. */
  readonly leaderId: number;
  /** `host:port`, empty when unknown. */
  readonly leaderAddress: string;
  readonly term: number;
}

/** Why a call did not succeed. All but the last three are worth another try. */
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
  /** The key holds no number, or the new one would be out of range. Nothing was changed. */
  | { readonly kind: "notANumber"; readonly message: string }
  | { readonly kind: "final"; readonly message: string; readonly code: ErrorCode };

/** Sorts what a `UnaryCaller` rejected with. */
export function failureOf(error: unknown): CallFailure {
  if (!(error instanceof ConnectError)) {
    return { kind: "unreachable", message: explained(reasonOf(error)), cause: error };
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
    case "NOT_A_NUMBER":
      return { kind: "notANumber", message };
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
  if (failure.kind === "notANumber") return new NotANumberError(failure.message);
  const cause = failure.kind === "unreachable" ? failure.cause : undefined;
  return new PrkDbError(codeOf(failure), failure.message, cause === undefined ? undefined : { cause });
}

/** The more telling of two failures in a row: that time ran out says less than what came before. */
export function tellingOf(earlier: CallFailure | undefined, later: CallFailure): CallFailure {
  return later.kind === "deadline" && earlier !== undefined ? earlier : later;
}

/**
 * The error for a call whose deadline has passed.
 *
 * @param last why it had not succeeded before, if any attempt has ended
 * @param partitionId of the partition that was called, if it was one
 */
export function deadlineError(last: CallFailure | undefined, partitionId?: number): PrkDbError {
  if (last === undefined) {
    return new PrkDbError(
      "deadline_exceeded",
      "No node answered before the deadline: try again, or allow more time with timeoutMs",
    );
  }
  const code = codeOf(last);
  const isLeaderless = code === "unavailable" && partitionId !== undefined;
  const why = isLeaderless
    ? `no leader of partition ${partitionId} was reached until then (${code}: ${last.message})`
    : `it failed with ${code} until then (${last.message})`;
  const message = `The call did not succeed before its deadline: ${why}`;
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

function explained(reason: string): string {
  return EXPLAINED.find(([said]) => said.test(reason))?.[1] ?? reason.replace(SENT_WHERE, "");
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
    case "notANumber":
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
