/**
 * One call to one node, as it comes: no routes, no retries, and the node's own answer at its deadline. Tests
 * that ask what a certain node says use this instead of the smart client.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { PATIENCE_MS } from "../patience.ts";

/** A node that answers so much later than at the deadline does not heed it, however busy the machine is. */
const GRACE_MS = 60_000;

/** How to call. */
export interface CallNodeOptions<Input extends DescMessage> {
  readonly input: MessageInitShape<Input>;
  /** Deadline the node is told; as long as a test waits for anything unless given. */
  readonly timeoutMs?: number;
  /** No forwarding. */
  readonly direct?: boolean;
}

/**
 * Calls `method` at `address` (`http://host:port`).
 *
 * @throws {ConnectError} what the node answered
 * @throws {TypeError} when there is no connection
 * @throws {DOMException} `TimeoutError` when the node said nothing, not even that it was too late
 */
export async function callNode<Input extends DescMessage, Output extends DescMessage>(
  address: string,
  method: DescMethodUnary<Input, Output>,
  { input, timeoutMs = PATIENCE_MS, direct = false }: CallNodeOptions<Input>,
): Promise<MessageShape<Output>> {
  const response = await fetch(`${address}/${method.parent.typeName}/${method.name}`, {
    method: "POST",
    headers: {
      "content-type": "application/proto",
      "connect-protocol-version": "1",
      "connect-timeout-ms": String(timeoutMs),
      ...(direct ? { "prkdb-route": "direct" } : {}),
    },
    body: new Uint8Array(toBinary(method.input, create(method.input, input))),
    signal: AbortSignal.timeout(timeoutMs + GRACE_MS),
  });
  const body = await response.bytes();
  if (response.ok) return fromBinary(method.output, body);
  const fallback = new ConnectError(`HTTP status ${response.status}`, Code.Unknown);
  throw errorFromJsonBytes(body, response.headers, fallback);
}
