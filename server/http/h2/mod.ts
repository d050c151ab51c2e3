/**
 * HTTP/2 (RFC 9113) on any channel of bytes: requests to handlers, answers to clients. It knows nothing of
 * what is served.
 *
 * **What it owns.** One connection: its streams, its windows, its compression, its times. Sockets, TLS and
 * the choice between versions of HTTP are others'.
 *
 * ```
 * channel ──chunks──▶ frame_reader ──frames──▶ session ──▶ whole_exchange, streamed_exchange ──▶ handler
 * channel ◀──write─── frame_writer ◀───────── answer_sender ◀──────────────────────────────────────┘
 * ```
 *
 * **Read in this order.** `frame.ts`, `frame_reader.ts`, `frame_writer.ts`: bytes and frames. `session.ts`,
 * `control_frames.ts`: what each frame does. `stream.ts`, `request_head.ts`, `whole_exchange.ts`,
 * `streamed_exchange.ts`: a request. `answer_sender.ts`: flow control and turns. `flood_guard.ts`: what
 * strangers try. `connection.ts`: beginning, times, end.
 *
 * **What it never does.** It pushes nothing, ignores priorities, serves no CONNECT (501), hands no trailers
 * of requests on, adds no field to an answer and drops none. It keeps no chunk that is more than twice as
 * large as what is needed of it.
 *
 * **Invariants**
 *
 * - A request is handed to one handler at most, and answered, reset, or lost with its connection, exactly
 *   once. `Caller.onLeave` and `BodySink.abort` say the latter two; after them nothing is sent on the stream.
 * - A client may have under way 1 MiB a stream and 16 MiB a connection; credit is returned when a handler has
 *   taken the bytes, so that a slow handler slows its client down.
 * - What is held of bodies is taken from `context.bodies`, what waits to be sent from `context.answers`, but
 *   for 16 KiB of each connection and for answers to callers who have shown who they are; all of it is given
 *   back. Who finds no room is refused: `REFUSED_STREAM` if no handler has seen the request,
 *   `ENHANCE_YOUR_CALM` otherwise.
 * - Work and memory that frames cause are proportional to their bytes. Frames without payload are counted,
 *   and so are answers that nobody reads: see `flood_guard.ts`.
 * - Handlers who work for callers who have left count as open streams.
 * - DATA on a stream that this side has ended is credited and ignored.
 *
 * @module
 */

import { Http2Connection, type Http2ConnectionOptions } from "./connection.ts";

export { Http2Connection, type Http2ConnectionOptions } from "./connection.ts";

/** Starts HTTP/2 on a connection. */
export function startHttp2(options: Http2ConnectionOptions): Http2Connection {
  return new Http2Connection(options);
}
