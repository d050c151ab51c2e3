/**
 * One call of a node that joins to a node of the cluster, and what the answer shows of who answered: a node,
 * something else, or nobody yet. What time can heal is an ordinary error, for another try; what it cannot is
 * a `JoinError`.
 *
 * @module
 */

import { ClusterService } from "../../proto/mod.ts";

/** In the metrics that a node serves to operators, and in no others. */
const OWN_METRIC = /^prkdb_/m;
/** How long the operators' page is waited for, in milliseconds. */
const METRICS_LIMIT_MS = 2_000;
/** The node that answers does not answer to the name that it was called by. */
const STATUS_MISDIRECTED = 421;
/** Statuses from here on are of something that may be well later. */
const STATUS_PASSING_MIN = 500;
/** Of a text that was not expected, so much is shown. */
const SHOWN_MAX = 60;
/** And of advice. */
const ADVICE_MAX = 500;

/** Codes with which a node refuses for good. */
const FINAL_CODES: ReadonlySet<unknown> = new Set([
  "invalid_argument",
  "unimplemented",
  "permission_denied",
  "unauthenticated",
]);

/** The cluster does not take the node in, or cannot be understood; the message says why. */
export class JoinError extends Error {
  override readonly name = "JoinError";
}

/** One call. */
export interface JoinCall {
  readonly method: string;
  readonly message: unknown;
  /** Of the cluster that is meant; empty while it is not known. */
  readonly clusterId: string;
  /** How long the answer is waited for, in milliseconds. */
  readonly limitMs: number;
}

/**
 * The answer of the node at `url` to one call by Connect with JSON.
 *
 * @throws {JoinError} when it refuses for good, or what answers is no node
 */
export async function callForJoin(url: string, joinCall: JoinCall): Promise<object> {
  const { status, text } = await send(url, joinCall);
  const answer = tryParse(text);
  if (status === 200 && answer !== undefined) return answer;
  const { code, message: reason } = answer ?? {};
  if (typeof code !== "string") throw await strangeAnswer(url, { status, text });
  if (FINAL_CODES.has(code)) throw new JoinError(`The cluster at ${url} refuses this node: ${reason}`);
  throw new Error(`${code}: ${reason}`);
}

/** Why an error came about, as far as it knows: what `fetch` says itself names no reason. */
export function rootReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : rootReason(error.cause);
}

/** What answers at `url` is none of prkdb's nodes, and will not become one. */
export function strangerError(url: string, found: string): JoinError {
  return new JoinError(
    `Cannot join: what answers at ${url} is not a prkdb node (${found}); ` +
      "name the address of a node's clients with --join",
  );
}

/** An answer that no node gives. */
interface StrangeAnswer {
  readonly status: number;
  readonly text: string;
}

async function send(url: string, { method, message, clusterId, limitMs }: JoinCall): Promise<StrangeAnswer> {
  const headers = { "content-type": "application/json", "connect-protocol-version": "1" };
  try {
    const response = await fetch(new URL(`/${ClusterService.typeName}/${method}`, url), {
      method: "POST",
      headers: clusterId === "" ? headers : { ...headers, "prkdb-cluster": clusterId },
      body: JSON.stringify(message),
      signal: AbortSignal.timeout(limitMs),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw explained(url, { error, limitMs });
  }
}

/** What a call came to that was not answered, and how long it was waited for. */
interface Silence {
  readonly error: unknown;
  readonly limitMs: number;
}

function explained(url: string, { error, limitMs }: Silence): Error {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new Error(`no answer within ${limitMs / 1_000} s`);
  }
  const reason = rootReason(error);
  if (/invalid HTTP version/.test(reason)) return strangerError(url, "it does not speak HTTP, or speaks TLS");
  if (/connection refused/i.test(reason)) return new Error("nothing listens there (connection refused)");
  return new Error(reason);
}

/** A proxy whose node is away answers with a status of its own; so does a node that is still starting. */
async function strangeAnswer(url: string, { status, text }: StrangeAnswer): Promise<Error> {
  if (status === STATUS_MISDIRECTED) {
    // A node says itself what helps.
    return new JoinError(`Cannot join by way of ${url}: ${text.slice(0, ADVICE_MAX).trim()}`);
  }
  const said = text.slice(0, SHOWN_MAX).trim();
  if (status >= STATUS_PASSING_MIN) return new Error(`HTTP status ${status}: ${said}`);
  if (await isOperatorsPort(url)) {
    return new JoinError(
      `Cannot join: ${url} is a node's port for operators; name its port for clients with --join ` +
        "(--grpc-port, by default 50050 + node id)",
    );
  }
  return strangerError(url, `HTTP status ${status}: ${said}`);
}

async function isOperatorsPort(url: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(METRICS_LIMIT_MS);
    const response = await fetch(new URL("/metrics", url), { signal });
    return OWN_METRIC.test(await response.text());
  } catch {
    return false;
  }
}

function tryParse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}
