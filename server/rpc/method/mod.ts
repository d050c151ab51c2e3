/**
 * What a method of the API is, whatever it does: its definition, how both paths serve it, the options of a
 * call, and the one table from what can go wrong to what a caller reads. The methods themselves are one file
 * each in `rpc/kv/` and `rpc/cluster/`; how requests arrive is the business of the room above.
 *
 * @module
 */

export { callOptions } from "./call_options.ts";
export { isExpected, resultCode, toConnectError, toErrorAnswer } from "./connect_error.ts";
export { decodeGenerated } from "./generated.ts";
export { defineStream, earlyResponse, serveStream, type StreamMethod } from "./stream.ts";
export { defineUnary, serveUnary, type UnaryMethod } from "./unary.ts";
export { unservedStream, unservedUnary } from "./unserved.ts";
