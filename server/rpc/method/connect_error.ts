/**
 * The one table from what can go wrong in the domain to what a caller sees: Connect code, reason, details.
 * The HTTP status follows from the code by the Connect protocol ("Error codes").
 *
 * An exception that is no `DomainError` is a defect: the caller learns that it happened and nothing of what
 * is inside the node.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString, errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema, NotLeaderSchema } from "../../../proto/mod.ts";
import { DomainError, type Failure } from "../../api/mod.ts";

/** Reasons of the contract. */
type Reason = "PRECONDITION" | "NOT_A_NUMBER" | "NOT_LEADER" | "OUTCOME_UNKNOWN" | "WRONG_CLUSTER";

/** What a failure is on the wire. `reason` stands where one code means several things. */
export interface WireFailure {
  readonly code: Code;
  readonly reason: Reason | undefined;
}

/** An error as the body of a Connect unary answer. */
export interface ErrorAnswer {
  readonly status: number;
  /** JSON: `code`, `message`, `details`. */
  readonly body: Uint8Array<ArrayBuffer>;
}

const TABLE: { readonly [K in Failure["kind"]]: WireFailure } = {
  invalidArgument: { code: Code.InvalidArgument, reason: undefined },
  precondition: { code: Code.FailedPrecondition, reason: "PRECONDITION" },
  notANumber: { code: Code.FailedPrecondition, reason: "NOT_A_NUMBER" },
  batchAborted: { code: Code.Aborted, reason: undefined },
  notLeader: { code: Code.FailedPrecondition, reason: "NOT_LEADER" },
  wrongCluster: { code: Code.FailedPrecondition, reason: "WRONG_CLUSTER" },
  unavailable: { code: Code.Unavailable, reason: undefined },
  overloaded: { code: Code.ResourceExhausted, reason: undefined },
  outcomeUnknown: { code: Code.Aborted, reason: "OUTCOME_UNKNOWN" },
  deadline: { code: Code.DeadlineExceeded, reason: undefined },
  cancelled: { code: Code.Canceled, reason: undefined },
  outOfRange: { code: Code.OutOfRange, reason: undefined },
  dataLoss: { code: Code.DataLoss, reason: undefined },
  unauthenticated: { code: Code.Unauthenticated, reason: undefined },
  permissionDenied: { code: Code.PermissionDenied, reason: undefined },
  unimplemented: { code: Code.Unimplemented, reason: undefined },
  internal: { code: Code.Internal, reason: undefined },
};

/** Code and reason of a failure. */
export function wireFailure(failure: Failure): WireFailure {
  return TABLE[failure.kind];
}

/** The code of a result in a batch: the reason where there is one, else the name of the Connect code. */
export function resultCode(error: DomainError): string {
  const { code, reason } = wireFailure(error.failure);
  return reason ?? codeToString(code);
}

/** The error a caller gets; anything but a `DomainError` or `ConnectError` becomes a mute `internal`. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof DomainError)) return new ConnectError("internal error", Code.Internal);
  const { code } = wireFailure(error.failure);
  return new ConnectError(error.message, code, undefined, detailsOf(error.failure));
}

/** Whether `error` says what a caller may know, so that it is no defect to be logged. */
export function isExpected(error: unknown): boolean {
  return error instanceof DomainError || error instanceof ConnectError;
}

/** The answer of a Connect unary call that failed with `error`. */
export function toErrorAnswer(error: ConnectError): ErrorAnswer {
  const body = errorToJsonBytes(error, undefined);
  return { status: codeToHttpStatus(error.code), body: new Uint8Array(body) };
}

function detailsOf(failure: Failure) {
  const { reason } = wireFailure(failure);
  if (reason === undefined) return [];
  switch (failure.kind) {
    case "precondition":
      return [{ desc: ErrorInfoSchema, value: { reason, currentVersion: BigInt(failure.currentVersion) } }];
    case "notLeader":
      return [{ desc: ErrorInfoSchema, value: { reason } }, notLeaderDetail(failure)];
    default:
      return [{ desc: ErrorInfoSchema, value: { reason } }];
  }
}

function notLeaderDetail(failure: Failure & { readonly kind: "notLeader" }) {
  const { leaderId, leaderAddress, term, epoch } = failure;
  return {
    desc: NotLeaderSchema,
    value: { leaderId, leaderAddress, term: BigInt(term), epoch: BigInt(epoch) },
  };
}
