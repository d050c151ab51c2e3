/**
 * Brings a change of the cluster to a node. Any node takes it, so it goes to one that has just shown that it
 * answers, and to another when that one cannot do it now.
 *
 * A change whose answer was lost may have begun. Where asking twice is as good as once it is asked for again;
 * else the call fails with `aborted`, for the caller to look at the cluster's changes.
 *
 * @module
 */

import { fromBinary } from "@bufbuild/protobuf";
import { ChangeResponseSchema, ClusterService } from "../../proto/mod.ts";
import {
  type AttemptContext,
  type AttemptResult,
  Backoff,
  type BackoffOptions,
  runAttempt,
} from "../pipeline/mod.ts";
import {
  type CallFailure,
  deadlineError,
  errorOf,
  orAborted,
  PrkDbError,
  sleep,
  tellingOf,
} from "../transport/mod.ts";

/** A method, with its request encoded. */
export interface Change {
  readonly method: keyof typeof ClusterService.method;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Asking twice is as good as once. */
  readonly isRepeatable: boolean;
}

/** A change, and how long it may take to begin. */
export interface ChangeCall extends Change {
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What a call works with. */
export interface ChangeCallContext {
  readonly context: AttemptContext;
  readonly backoff: BackoffOptions;
}

/** What asking one node came to. */
type ChangeAttempt =
  | AttemptResult & { readonly kind: "answered" }
  /** What was never sent has certainly not begun. */
  | { readonly kind: "failed"; readonly failure: CallFailure; readonly isSent: boolean };

/**
 * Asks node after node until one has begun the change, and returns the change's id.
 *
 * @throws {PrkDbError} when it makes no sense, cannot be begun in time, or may have begun or not
 * @throws the reason of the call's signal when it fires
 */
export async function requestChange(context: ChangeCallContext, call: ChangeCall): Promise<string> {
  return await orAborted(askUntilBegun(context, call), call.signal);
}

async function askUntilBegun({ context, backoff }: ChangeCallContext, call: ChangeCall): Promise<string> {
  const deadline = context.clock.now() + call.timeoutMs;
  const budget = new Backoff(backoff);
  let reason: CallFailure | undefined;
  for (;;) {
    const result = await attempt(context, call, deadline);
    if (result.kind === "answered") return fromBinary(ChangeResponseSchema, result.response).changeId;
    const { failure, isSent } = result;
    reason = tellingOf(reason, failure);
    if (isSent && !call.isRepeatable && mayHaveBegun(failure)) throw unknownOutcome(failure);
    const verdict = budget.judge(failure);
    if (verdict.kind === "giveUp") throw errorOf(failure);
    if (context.clock.now() + verdict.delayMs >= deadline) throw deadlineError(reason);
    if (verdict.refresh) await context.discovery.tryRefresh();
    await sleep(context.clock, verdict.delayMs);
    call.signal?.throwIfAborted();
  }
}

/** Asks one node, if it answers at all at this moment. */
async function attempt(
  context: AttemptContext,
  { method, body, signal }: ChangeCall,
  deadline: number,
): Promise<ChangeAttempt> {
  const address = context.routes.anyNode();
  if (!(await context.discovery.probe(address))) {
    const failure = { kind: "unreachable", message: `${address} does not answer` } as const;
    return { kind: "failed", failure, isSent: false };
  }
  const result = await runAttempt(context, {
    target: { address, direct: false },
    path: `/${ClusterService.typeName}/${ClusterService.method[method].name}`,
    body,
    readOnly: false,
    deadline,
    routes: [],
    isWanted: () => signal?.aborted !== true,
  });
  return result.kind === "failed" ? { ...result, isSent: true } : result;
}

/** Whether a request that failed so may have been taken up all the same. */
function mayHaveBegun(failure: CallFailure): boolean {
  switch (failure.kind) {
    case "unreachable":
    case "silent":
    case "outcomeUnknown":
    case "deadline":
      return true;
    default:
      return false;
  }
}

function unknownOutcome({ message }: CallFailure): PrkDbError {
  return new PrkDbError(
    "aborted",
    `The change may have begun: look at the cluster's changes before you ask again (${message})`,
  );
}
