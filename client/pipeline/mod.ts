/**
 * TODO(header): client/pipeline
 *
 * @module
 */

export { type AttemptContext, type AttemptResult, runAttempt } from "./attempt.ts";
export { Backoff, type BackoffOptions } from "./backoff.ts";
export { type CallLimits, Pipeline } from "./pipeline.ts";
export type { ReadMode } from "./reads.ts";
export { randomClientId, Session } from "./session.ts";
