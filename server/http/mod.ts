/**
 * TODO(header): server/http
 *
 * @module
 */

export { CorsPolicy } from "./cors.ts";
export { HttpListener } from "./listener.ts";
