/**
 * Unary calls of the Connect protocol over `fetch`: bytes in, bytes out, one `fetch`, and none of the generic
 * machinery, which costs more than the request itself. Streams go through `stream.ts`.
 *
 * Reads that fit into a URL are sent as Connect GET, which a node answers without reading a body.
 *
 * @module
 */

import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import type { StreamCaller, UnaryCall, UnaryCaller } from "./caller.ts";
import { fetchStream } from "./stream.ts";

/**
 * Requests up to this size travel in the URL when they have no side effects; well below any limit of proxies.
 */
const GET_BYTES_MAX = 1_024;

const UNARY_TYPE = "application/proto";
const GET_QUERY = "?connect=v1&encoding=proto&base64=1&message=";

/** The part of `fetch` that is used: a URL as text and plain options. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>;

/** The platform's own, looked up at each call, for it may be replaced. */
export const platformFetch: FetchFunction = (url, init) => fetch(url, init);

/** How calls are made. */
export interface FetchCallerOptions {
  /** Instead of the platform's `fetch`. */
  readonly fetch?: FetchFunction;
  /** Sent with every call. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface FetchContext {
  readonly fetchFunction: FetchFunction;
  readonly headers: Readonly<Record<string, string>>;
}

/** A caller over `fetch`, of unary calls and of streams. */
export function fetchCaller(options: FetchCallerOptions = {}): UnaryCaller & StreamCaller {
  const fetchFunction = options.fetch ?? platformFetch;
  const headers = options.headers ?? {};
  return {
    async call(call) {
      const response = await send(call, { fetchFunction, headers });
      const body = new Uint8Array(await response.arrayBuffer());
      if (response.status === 200) return mustBeProto(response, body);
      throw errorOfResponse(response, body);
    },
    stream: (call) => fetchStream(call, { open: fetchFunction, headers }),
  };
}

function send(call: UnaryCall, { fetchFunction, headers }: FetchContext): Promise<Response> {
  const { address, path, body, signal } = call;
  const sent: Record<string, string> = {
    ...headers,
    "connect-timeout-ms": String(Math.ceil(call.timeoutMs)),
  };
  if (call.direct) sent["prkdb-route"] = "direct";
  if (call.clusterId !== "") sent["prkdb-cluster"] = call.clusterId;
  if (call.readOnly && body.length <= GET_BYTES_MAX) {
    const url = `${address}${path}${GET_QUERY}${base64Encode(body, "url")}`;
    // An old answer out of a cache would break linearizability.
    return fetchFunction(url, { headers: sent, signal, cache: "no-store" });
  }
  sent["content-type"] = UNARY_TYPE;
  sent["connect-protocol-version"] = "1";
  return fetchFunction(`${address}${path}`, { method: "POST", headers: sent, body, signal });
}

function mustBeProto(response: Response, body: Uint8Array): Uint8Array {
  const type = response.headers.get("content-type") ?? "";
  if (type === UNARY_TYPE || type.startsWith(`${UNARY_TYPE};`)) return body;
  throw new ConnectError(
    `Cannot understand the answer: its type is "${type}" and not "${UNARY_TYPE}". ` +
      "Check that the address is that of a prkdb node",
    Code.Unknown,
  );
}

/** Said by a node that is called by a name which is not its own. */
const STATUS_MISDIRECTED = 421;
/** Said by a node whose port is open already, with `STARTING_WORDS`; by proxies with pages of their own. */
const STATUS_UNAVAILABLE = 503;

/** What a node answers to every call while it recovers its log, or joins. */
export const STARTING_WORDS = "the node is starting";

/** The Connect error in `body`, or what the HTTP status says when something else than a node has answered. */
function errorOfResponse(response: Response, body: Uint8Array): ConnectError {
  const { status } = response;
  const text = ownWords(response, body);
  const fallback = new ConnectError(
    text !== "" ? text : `The call failed with HTTP status ${status} and no error of a node. ` +
      "Check the address, and proxies on the way",
    codeFromHttpStatus(status),
  );
  if (!response.headers.get("content-type")?.startsWith("application/json")) return fallback;
  try {
    return errorFromJsonBytes(body as Uint8Array<ArrayBuffer>, response.headers, fallback);
  } catch {
    return fallback;
  }
}

/** What a node says in plain text, before it knows the protocol of the call; empty when it is not a node. */
function ownWords({ status, headers }: Response, body: Uint8Array): string {
  if (status !== STATUS_MISDIRECTED && status !== STATUS_UNAVAILABLE) return "";
  if (headers.get("content-type")?.startsWith("text/html") === true) return "";
  const text = new TextDecoder().decode(body).trim();
  return status === STATUS_MISDIRECTED || text === STARTING_WORDS ? text : "";
}
