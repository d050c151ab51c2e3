/**
 * TODO(header): server/rpc/method
 *
 * @module
 */

export { isExpected, resultCode, toConnectError, toErrorAnswer } from "./connect_error.ts";
export { earlyResponse, type StreamMethod, streamMethod, unservedStream } from "./stream.ts";
export { callOptions, decodeGenerated, type UnaryMethod, unaryMethod, unservedMethod } from "./unary.ts";
