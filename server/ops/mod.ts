/**
 * What operators see: metrics and health.
 *
 * @module
 */

export { handleOps } from "./health.ts";
export { Metrics, type WalSample } from "./metrics.ts";
