/**
 * HTTP/1.1 and 1.0 (RFC 9112) on one connection: bytes of requests in, bytes of answers out.
 *
 * **What it owns.** The reading of heads and bodies, the order of requests on a connection, the form of
 * answers, and everything that ends a connection in peace or because of a limit. The channel, the handlers
 * and the limits are handed in.
 *
 * **Read in this order.** `message/` is the grammar. `connection` is the life of a connection, with
 * `request_input` (`input_buffer`, `head_reader`) in front of it and `quiet_time` beside it; `exchange_for`
 * makes a request of a head, whose life is `whole_exchange` with its `body_buffer`, or `stream_exchange`
 * (`exchange_host` is what connection and request know of each other); `answer_head`, `outgoing` and
 * `own_answers` are the way out.
 *
 * **Why by hand.** See decision 25. Strict, because every request that two readers could understand in two
 * ways is a way past the first of them; short, because a head is read in a microsecond or two.
 *
 * **What it never does.** It begins no second request on a connection before the first is answered, decodes
 * no content coding, follows no `Upgrade`, and sends no trailers.
 *
 * **Invariants**
 *
 * - After a refusal of a head or a body the connection closes.
 * - Every request gets one answer at most, and answers go out in the order of the requests.
 * - A place in a budget that was taken is given back, however the connection ends.
 * - What throws, a handler's wrong answer or a mistake of ours, ends its connection and gives the operator a
 *   line, also behind a wait; it never reaches the process.
 * - Nothing waits without a limit but for handlers, and for bodies of patient ones.
 *
 * @module
 */

import type { ConnectionStart, HttpConnection } from "../mod.ts";
import { Http1Connection } from "./connection.ts";

/** Starts HTTP/1.1 on a connection. */
export function startHttp1(start: ConnectionStart): HttpConnection {
  return new Http1Connection(start);
}
