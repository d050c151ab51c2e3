/**
 * What operators see: metrics and health.
 *
 * @module
 */

export { Metrics } from "./metrics.ts";
export type { MetricsSource, WalSample } from "./metrics.ts";
export { handleOps } from "./health.ts";
