/**
 * What a method of the API is, whatever it does: how it is put together from its parts, how it fails, and how
 * long it may take. The services in `rpc/kv` and `rpc/cluster` build their methods with this room, and `rpc/`
 * serves what comes out.
 *
 * **The idea.** A node is called in two ways: binary unary calls go straight from bytes to bytes, JSON and
 * streams go through the Connect router, from message to message. A method is written once, as
 * "validate and ask the node" and "make the answer", and this room makes both ways of it, so that the two
 * cannot drift apart. A method may bring a faster decoder and encoder of its own; the decoder may give up on
 * anything unusual, and then the generated one decides, so that there is one opinion about every input.
 *
 * ```
 * bytes ─▶ fast or generated decoder ─▶ ┌────────────────────┐ ─▶ fast or generated encoder ─▶ bytes
 *                                       │ validate, ask node │
 * message ────────────────────────────▶ └────────────────────┘ ─▶ reply ─▶ message
 * ```
 *
 * **What it owns.** No state, no sockets. The one table from failures of the domain to Connect codes, reasons
 * and details; the limits of a deadline: 10 s unless the caller names one, five minutes at most.
 *
 * **Read in this order.** `connect_error.ts`: what a caller sees when something goes wrong.
 * `request_observer.ts`: how each call ended, for metrics and the log. `call_options.ts`: deadline and route
 * of a call. `call_target.ts`: the two header fields that mean the same in every protocol, route and cluster.
 * `generated.ts`: the generated codec, with the domain's errors. `gzip.ts`: what is compressed, bounded as it
 * unfolds. `unary.ts`: a method with one answer. `stream.ts`: a method with many answers, whose headers leave
 * at once because its first message may be hours away (`docs/decisions/0013-…`). `unserved.ts`: methods that
 * are not there yet.
 *
 * **What it never does.** It knows no service, no field of a message, no header of one protocol alone and no
 * URL. It catches nothing that it cannot name: whatever is not a `DomainError` is a defect, of which the
 * caller learns only that it happened.
 *
 * **Invariants**
 *
 * - The same request gets the same answer on every way in: same code, message and details.
 *   `tests/conformance/` holds all ways to it.
 * - Every kind of failure has a row in the table; one without does not compile.
 * - A fast encoder makes exactly the bytes of the generated one; tests compare them on random results.
 * - A stream ends when its caller leaves, its deadline passes or the node stops, and whatever waits inside it
 *   is told by one signal.
 * - A method of the contract that is not there yet answers `unimplemented`, in words.
 *
 * @module
 */

export { AnswerLease, type ExchangeRoom, type MethodOptions } from "./answer_lease.ts";
export { callOptions } from "./call_options.ts";
export {
  type CallHeaders,
  checkCluster,
  CLUSTER_HEADER,
  type ClusterMember,
  isDirect,
} from "./call_target.ts";
export { isExpected, resultCode, toConnectError, toErrorAnswer } from "./connect_error.ts";
export { decodeGenerated } from "./generated.ts";
export { compress, decompress, requestTooLarge, takeRoom, withRoomToUnfold, withUnfolded } from "./gzip.ts";
export { type NotedCall, noteFailure, noteSuccess, type RequestObserver } from "./request_observer.ts";
export { bodyRefused } from "./refused_body.ts";
export type { ServedMethods } from "./served.ts";
export { defineStream, earlyResponse, serveStream, type StreamMethod, streamStopped } from "./stream.ts";
export { defineUnary, serveUnary, type UnaryMethod } from "./unary.ts";
export { unservedStream, unservedUnary } from "./unserved.ts";
