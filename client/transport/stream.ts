/**
 * Server-streaming calls over `fetch`, in Connect's streaming protocol: one envelope there, envelopes back,
 * the last of which says how it ended.
 *
 * Source: Connect protocol reference, "Streaming RPCs".
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { createEnvelopeReadableStream, encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamFromJson } from "@connectrpc/connect/protocol-connect";
import type { StreamCall } from "./caller.ts";

const STREAM_TYPE = "application/connect+proto";

/** Sends the request of a stream. */
export type OpenStream = (url: string, init: RequestInit) => Promise<Response>;

/** How a stream is opened. */
export interface StreamOptions {
  readonly open: OpenStream;
  /** Sent with the request. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The response messages of `call`, each in protobuf's binary form.
 *
 * @throws {ConnectError} as the node ended the stream, with its details
 * @throws {Error} of any other class when the stream broke off
 */
export async function* fetchStream(
  call: StreamCall,
  { open, headers }: StreamOptions,
): AsyncGenerator<Uint8Array, void> {
  const response = await open(`${call.address}${call.path}`, {
    method: "POST",
    headers: {
      ...headers,
      ...(call.clusterId === "" ? {} : { "prkdb-cluster": call.clusterId }),
      "content-type": STREAM_TYPE,
      "connect-protocol-version": "1",
    },
    body: new Uint8Array(encodeEnvelope(0, call.body)),
    signal: call.signal,
  });
  const body = await streamOf(response, call.address);
  const reader = createEnvelopeReadableStream(body).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`The stream of ${call.address} broke off`);
      if ((value.flags & endStreamFlag) === 0) yield value.data;
      else return throwIfFailed(value.data);
    }
  } finally {
    // Tells the node that no more messages are taken; at the end of a stream it changes nothing.
    reader.cancel().catch(() => {});
  }
}

/**
 * The body of an answer that is a stream. Errors stand in its envelopes: any other status is not a node's.
 */
async function streamOf(response: Response, address: string): Promise<ReadableStream<Uint8Array>> {
  const type = response.headers.get("content-type") ?? "none";
  if (response.status === 200 && type.startsWith(STREAM_TYPE) && response.body !== null) return response.body;
  await response.body?.cancel();
  const code = response.status === 404 || response.status === 415 ? Code.Unimplemented : Code.Unavailable;
  throw new ConnectError(
    `Cannot open a stream: ${address} answers with HTTP status ${response.status} and type ${type}. ` +
      "Check that the address is that of a prkdb node",
    code,
  );
}

function throwIfFailed(end: Uint8Array): void {
  const { error } = endStreamFromJson(end);
  if (error !== undefined) throw error;
}
