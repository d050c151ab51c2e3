/**
 * gRPC itself, over HTTP/2 with trailers, for programs in languages whose gRPC libraries speak neither
 * Connect nor gRPC-Web: all that the node serves by Connect, and what such programs expect everywhere,
 * health (`grpc.health.v1.Health`) and reflection (`grpc.reflection.v1.ServerReflection`).
 *
 * ```
 *                     ┌ unary_handler ──▶ UnaryMethod.answerBytes ─┐
 * head ─▶ router ───▶ ┤                                            ├─▶ NodeApi
 *   (or 415, 405,     └ stream_handler ─▶ StreamMethod ────────────┘
 *    505)                   └───────────▶ health, reflection
 * ```
 *
 * **What it owns.** The table from paths to handlers, the streams that are open, and the room in the node's
 * budget for bodies that their unread messages and unfolding requests take. Callers that watch the health,
 * at most 1,000 per node. The methods are handed in: `rpc/kv` and `rpc/cluster` make them, and Connect
 * serves the same ones, so that limits that count callers count those of all protocols.
 *
 * **Read in this order.** `call_type.ts`: what is gRPC, and how it is answered. `framing.ts`,
 * `compression.ts`: from bytes to messages and back. `timeout.ts`, `status.ts`: how long a call may take and
 * how it ended. `unary_handler.ts`: the hot path, also of binary gRPC-Web, which `rpc/` sends here.
 * `request_messages.ts`, `stream_handler.ts`: streams. `health.ts`; `descriptors.ts`, `reflection.ts`.
 * `router.ts`: all of it together. `web_text.ts` is of gRPC-Web as text, which others serve.
 *
 * **What it never does.** It reads no socket and knows no frame of HTTP/2: `http/` does, and hands over a
 * head and a body. It judges no field of a message. It asks for no token and checks no origin; pages of
 * browsers cannot speak gRPC. It does not serve JSON (`application/grpc+json`), for which there is Connect,
 * and not what peers say among themselves. It never compresses for a caller that does not compress itself.
 *
 * **Invariants**
 *
 * - The same request gets the same code, message and details as by Connect; `tests/conformance/` holds both
 *   to the same answers. Codes are the same numbers.
 * - No request, however malformed, makes a handler throw. A defect costs its caller `internal` and the
 *   operator a line in the log.
 * - Every call is counted once: a unary call when it is answered, a stream when it begins or fails, one of an
 *   unknown method as `unknown`.
 * - Every answer to a call has status 200 and ends with `grpc-status`. A unary call that fails, and a stream
 *   whose head is refused, is answered by headers alone; a stream that has begun ends with trailers. What its
 *   head refuses is answered without waiting for its body.
 * - No message is larger than `REQUEST_BYTES_MAX`, unfolded or not, and room for it is taken before it
 *   unfolds. A body is not read on while messages of it wait.
 * - A unary call has at most five minutes, whatever it asks for; a stream has what it asks for. A stream ends
 *   when its caller leaves, its deadline passes or the node stops, and what waits inside it is told by one
 *   signal with the reason.
 *
 * @module
 */

export { isGrpc, isWebProto, WEB_FORM } from "./call_type.ts";
export { grpcTimeoutMs } from "./timeout.ts";
export { answerWebText, isGrpcWebText } from "./web_text.ts";
export { GrpcRouter, type GrpcRouterOptions } from "./router.ts";
export { unaryHandler } from "./unary_handler.ts";
