/**
 * The way into a node by gRPC, made by hand: a request from a call, a call's answer from what came back, and
 * a client of HTTP/2 that shows trailers, which `fetch` does not.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { assert } from "../harness.ts";
import { type FakeAnswer, type FakeRequest, fieldsOf } from "../support/fake_exchange.ts";
import {
  type Answer,
  binary,
  CODES,
  type ConformanceCall,
  envelope,
  gzip,
  pathOf,
  statusDetails,
} from "./callers.ts";

/** How a message is sent. */
export type GrpcSending = "plain" | "gzip";

/** A call as a request. */
export async function grpcRequest(
  asked: ConformanceCall,
  sending: GrpcSending = "plain",
): Promise<FakeRequest> {
  const { "connect-timeout-ms": timeout, ...rest } = { "connect-timeout-ms": "", ...asked.headers };
  const headers: Record<string, string> = { "content-type": "application/grpc", ...rest };
  if (timeout !== "") headers["grpc-timeout"] = `${timeout}m`;
  const message = binary(asked);
  const body = envelope(sending === "gzip" ? await gzip(message) : message);
  if (sending === "gzip") {
    body[0] = 1;
    headers["grpc-encoding"] = "gzip";
    headers["grpc-accept-encoding"] = "identity, gzip";
  }
  return { path: pathOf(asked.desc), headers, body };
}

/** What an answer says. */
export async function readGrpcAnswer({ desc }: ConformanceCall, answer: FakeAnswer): Promise<Answer> {
  assert.is(answer.status, 200);
  assert.is(answer.headers.get("content-type"), "application/grpc");
  const status = Number(answer.trailers.get("grpc-status") ?? answer.headers.get("grpc-status"));
  if (status === 0) {
    const message = fromBinary(desc.output, await onlyMessageOf(answer));
    return { ok: true, message: toJson(desc.output, message) };
  }
  assert.is(answer.body.length, 0);
  // A stream has begun before its message is read.
  const isHeadersAlone = answer.trailers.get("grpc-status") === null;
  assert.ok(isHeadersAlone || desc.methodKind !== "unary", "an error is an answer of headers alone");
  const fields = isHeadersAlone ? answer.headers : answer.trailers;
  const bin = fields.get("grpc-status-details-bin");
  return {
    ok: false,
    code: CODES[status]!,
    message: decodeURIComponent(fields.get("grpc-message") ?? ""),
    details: bin === null ? [] : statusDetails(base64Decode(bin)),
  };
}

async function onlyMessageOf({ body, headers }: FakeAnswer): Promise<Uint8Array> {
  assert.is(new DataView(body.buffer, body.byteOffset).getUint32(1), body.length - 5);
  if (body[0] === 0) return body.subarray(5);
  assert.is(headers.get("grpc-encoding"), "gzip");
  const unfolding = new Blob([body.slice(5)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(unfolding).bytes();
}

/** One connection of HTTP/2. */
export class Http2Client {
  readonly #session: ClientHttp2Session;

  /** @param base as in `http://127.0.0.1:50051` */
  constructor(base: string) {
    this.#session = connect(base);
  }

  /**
   * Sends `request` and waits for the whole answer.
   *
   * @throws {Error} when the stream or the connection breaks off
   */
  async ask({ path, headers, body, method = "POST" }: FakeRequest): Promise<FakeAnswer> {
    const stream = this.#session.request({ ":path": path, ":method": method, te: "trailers", ...headers });
    const { promise, resolve, reject } = Promise.withResolvers<FakeAnswer>();
    const chunks: Buffer[] = [];
    let head: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (fields) => head = fields);
    stream.on("trailers", (fields) => trailers = fields);
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      const whole = Uint8Array.from(Buffer.concat(chunks));
      resolve({
        status: head[":status"] ?? 0,
        headers: fieldsOf(pairsOf(head)),
        body: whole,
        trailers: fieldsOf(pairsOf(trailers)),
      });
    });
    stream.end(body);
    return await promise;
  }

  /** At once, so that the server need not say that it goes away: `tests/grpc/connect_transport_test.ts`. */
  close(): void {
    this.#session.destroy();
  }
}

function pairsOf(fields: IncomingHttpHeaders): readonly (readonly [string, string])[] {
  return Object.entries(fields).filter(([name]) => !name.startsWith(":")).map(([name, value]) =>
    [name, String(value)] as const
  );
}
