/**
 * Ports and pages: a listening socket that survives the process running out of file descriptors, and the
 * rules for scripts of web pages that call a node. What is served behind the socket is handed in.
 *
 * **What it owns.** One listening TCP socket per `HttpListener`. A node has two: one for clients and peers,
 * one for operators. The runtime speaks HTTP/1.1 and HTTP/2 on it.
 *
 * **Read in this order.** `listener.ts`: binding at once, serving later, opening again. `cors.ts`: which
 * origins are let in, preflights, and the headers a browser needs.
 *
 * **Why a listener of its own.** A port is bound before the data directory is touched, so that a start that
 * must fail because the port is taken has changed nothing; until there is a handler, requests are answered
 * with 503. And when the process has no file descriptor left, the runtime gives up listening for good: the
 * listener is opened again as soon as there are some, every 100 ms, while the node goes on.
 *
 * **What it never does.** It reads no body, knows no method, no path and no Connect; `rpc/` does. It does not
 * retry, limit or queue requests: the limits stand where the cost arises, on bodies in `rpc/` and on calls in
 * `calls/`. It does not encrypt and does not ask for tokens, which is why a node listens on loopback
 * addresses unless started with `--insecure`.
 *
 * **Invariants**
 *
 * - The address of a listener never changes while it is open, also when it was opened again.
 * - `close` takes nothing new in and resolves when everything under way is answered.
 * - A handler that throws costs its caller an answer with status 500 and the operator a line in the log,
 *   never the process.
 * - Without an `Origin` header nothing of cross-origin access applies: programs are not pages. With one, a
 *   page of an origin that is not allowed gets no header that would let it read the answer, and its
 *   preflights get 403.
 * - Loopback origins are allowed unless origins are configured; then only those are.
 *
 * @module
 */

export { CorsPolicy } from "./cors.ts";
export { HttpListener } from "./listener.ts";
