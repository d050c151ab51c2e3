/**
 * TODO(header): server/config
 *
 * @module
 */

export { parseConfig, type ServerConfig } from "./config.ts";
export { ConfigError, ConfigNotice, DEFAULTS } from "./flags.ts";
export { PERMISSIONS, V8_FLAGS } from "./runtime_flags.ts";
