/**
 * A node of the cluster.
 *
 * @module
 */

export { parseConfig } from "./config.ts";
export type { ServerConfig } from "./config.ts";
export { ConfigError, ConfigNotice } from "./flags.ts";
export { DataDirectoryError } from "./data_directory.ts";
export { EmbeddedNode } from "./embedded.ts";
export type { EmbeddedOptions } from "./embedded.ts";
export { DomainError } from "./error.ts";
export type { NodeApi } from "./node_api.ts";
export { Node } from "./node.ts";
export type { NodeOptions, Readiness } from "./node.ts";
export { Server } from "./server.ts";
export { VERSION } from "./version.ts";
