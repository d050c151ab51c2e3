/**
 * TODO(header): client/routing
 *
 * @module
 */

export { Discovery } from "./discovery.ts";
export { type PartitionRoute, Routes, type Target } from "./routes.ts";
