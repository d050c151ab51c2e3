/**
 * What operators see: metrics and health.
 *
 * @module
 */

export { handleOps } from "./health.ts";
export { Metrics } from "./metrics.ts";
export type { WalSample } from "./readings.ts";
