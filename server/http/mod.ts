/**
 * Listening ports, and what handlers see of HTTP: from accepted connections to requests, whichever version
 * brought them, with the limits of what strangers may take, and the rules for pages and names. It knows
 * nothing of what is served, and could be lifted out as a library.
 *
 * **What it owns.** The listening sockets, the connections on them and their number, the bytes that are read
 * and written. The versions of HTTP are rooms above this one, `h1/` and `h2/`; whoever makes a listener hands
 * them in, each as an `HttpProtocol`.
 *
 * ```
 * accept ─→ tcp_listener ─→ connection_set ─→ versioned_connection ─→ h1/ or h2/ ─→ HttpRouter ─→ handler
 *              socket_channel: chunks in, joined writes out                           whole, stream, web
 * ```
 *
 * **Read in this order.** `exchange`: requests, answers and the two kinds of handlers. `limits`,
 * `protocol`: what a version of HTTP works with and must be. `tcp_listener`, with `connection_set` (the
 * bound) and `versioned_connection` (which version): the life of a port. `socket_channel`: the bytes, and
 * `bytes`: where small pieces of them come from. `patrol`: time limits without timers. `web_handler`:
 * handlers of the web's `Request` and `Response`. `host` and `cors`: which names a node answers to, and which
 * pages may call it. `handler_choice`: who answers.
 *
 * **Why a listener of its own.** A port is bound before the data directory is touched, so that a start that
 * must fail because the port is taken has changed nothing; until there is a router, requests are answered
 * with 503. When the process has no file descriptor left, connections make room as at their bound, and
 * accepting is tried again, while the node goes on. And see decision 25.
 *
 * **What it never does.** It knows no path and no method of a node, and decodes no content coding. It neither
 * retries nor queues requests: what has no room is refused at once. It does not encrypt and does not ask for
 * tokens, which is why a node listens on loopback addresses unless started with `--insecure`.
 *
 * **Invariants**
 *
 * - The address of a listener never changes while it is open.
 * - `close` takes nothing new in and resolves when everything under way is answered.
 * - What is taken from a budget is given back, however a connection ends; nothing is waited for without a
 *   limit but handlers, and senders and readers whom a handler is patient with.
 * - A handler that throws costs its caller an answer with status 500 and the operator a line in the log,
 *   never the process.
 * - Without an `Origin` header nothing of cross-origin access applies: programs are not pages. With one,
 *   every answer whose head is known to have it has what lets a page of an allowed origin read it, whoever
 *   gives the answer; a page of another origin gets no such header, and its preflights get 403.
 * - Loopback origins are allowed unless origins are configured; then only those are.
 * - A request for a name that is neither the node's nor an address is not served (421).
 *
 * @module
 */

export { cutBytes, joinChunks, ownedBytes } from "./bytes.ts";
export { CorsPolicy } from "./cors.ts";
export {
  type AnswerStream,
  type BodyRefusal,
  type BodySink,
  type Caller,
  errorText,
  type HeaderFields,
  type HeaderPairs,
  type HttpRouter,
  type RequestHead,
  type RequestLabel,
  type StreamHandler,
  type WholeAnswer,
  type WholeHandler,
} from "./exchange.ts";
export { handlerFailed, handlerFor } from "./handler_choice.ts";
export { GuardedRouter, HostRule } from "./host.ts";
export {
  BODY_BYTES_PER_SECOND_MIN,
  bodyProgressBytes,
  type ByteBudget,
  ByteShare,
  HTTP_LIMITS,
  type HttpContext,
  type HttpLimit,
  type HttpLimits,
  type HttpMeters,
  UNCOUNTED_BODY_BYTES_MAX,
} from "./limits.ts";
export { Patrol, type Patrolled } from "./patrol.ts";
export {
  type ByteChannel,
  type ConnectionStart,
  HTTP2_PREFACE,
  type HttpConnection,
  type HttpProtocol,
} from "./protocol.ts";
export { type ByteSocket, SocketChannel } from "./socket_channel.ts";
export { type WebFetch, type WebHandler, webHandler } from "./web_handler.ts";
export { TcpListener, type TcpListenerOptions } from "./tcp_listener.ts";
