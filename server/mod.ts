/**
 * A node of the cluster.
 *
 * @module
 */

export { ConfigError, ConfigNotice, parseConfig, type ServerConfig } from "./config/mod.ts";
export { DataDirectoryError } from "./data/mod.ts";
export { EmbeddedNode, type EmbeddedOptions } from "./embedded.ts";
export { DomainError, type NodeApi, VERSION } from "./api/mod.ts";
export { Node, type NodeOptions, type Readiness } from "./node/mod.ts";
export { Server } from "./server.ts";
