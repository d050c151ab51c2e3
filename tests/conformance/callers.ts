/**
 * The ways into a node, each as a function from a request message to an answer that can be compared: binary
 * POST, GET, gzip, JSON, gRPC-Web in its three forms. They build requests by hand, so that nothing of the
 * product checks itself. gRPC, whose answers need trailers, is in `grpc_caller.ts`.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { base64Decode, base64Encode, BinaryReader } from "@bufbuild/protobuf/wire";

/** Something that takes requests: a handler, or `fetch`. */
export type Ask = (request: Request) => Response | Promise<Response>;

/** An answer, whatever protocol it came in. */
export type Answer =
  | { readonly ok: true; readonly message: JsonValue }
  | {
    readonly ok: false;
    /** Name of a Connect code. */
    readonly code: string;
    readonly message: string;
    readonly details: readonly { readonly type: string; readonly value: string }[];
  };

/** One call. */
export interface ConformanceCall<I extends DescMessage = DescMessage> {
  readonly desc: DescMethod & { readonly input: I };
  readonly input: MessageInitShape<I>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A way in. */
export interface ConformanceCaller {
  readonly name: string;
  /** Whether it serves methods without side effects only. */
  readonly isSafeOnly: boolean;
  readonly request: (call: ConformanceCall, base: string) => Promise<Request>;
  readonly answer: (call: ConformanceCall, response: Response) => Promise<Answer>;
}

/** Header and length of an envelope. */
const ENVELOPE_HEADER_BYTES = 5;
const GRPC_TRAILER_FLAG = 0x80;
const STATUS_DETAILS = { code: 1, message: 2, details: 3 } as const;

/** Names of the codes, each at its number in gRPC. */
export const CODES: readonly string[] = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];

/** HTTP status of each code, from the Connect protocol reference, "Error codes". */
const STATUS: Readonly<Record<string, number>> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/** All ways in, the lean ones first. */
export const CALLERS: readonly ConformanceCaller[] = [
  {
    name: "binary POST",
    isSafeOnly: false,
    request: (call, base) => post(call, base, { type: "application/proto", body: binary(call) }),
    answer: connectAnswer,
  },
  {
    name: "binary POST, gzip",
    isSafeOnly: false,
    request: async (call, base) =>
      post(call, base, { type: "application/proto", body: await gzip(binary(call)), encoding: "gzip" }),
    answer: connectAnswer,
  },
  {
    name: "binary GET, base64",
    isSafeOnly: true,
    request: (call, base) => get(call, base, `encoding=proto&base64=1&message=${base64(binary(call))}`),
    answer: connectAnswer,
  },
  {
    name: "binary GET, percent-encoded",
    isSafeOnly: true,
    request: (call, base) => get(call, base, `encoding=proto&message=${percent(binary(call))}`),
    answer: connectAnswer,
  },
  {
    name: "JSON POST",
    isSafeOnly: false,
    request: (call, base) => post(call, base, { type: "application/json", body: json(call) }),
    answer: connectAnswer,
  },
  {
    name: "JSON POST, gzip",
    isSafeOnly: false,
    request: async (call, base) =>
      post(call, base, { type: "application/json", body: await gzip(json(call)), encoding: "gzip" }),
    answer: connectAnswer,
  },
  {
    name: "JSON GET",
    isSafeOnly: true,
    request: (call, base) =>
      get(call, base, `encoding=json&message=${encodeURIComponent(new TextDecoder().decode(json(call)))}`),
    answer: connectAnswer,
  },
  {
    name: "gRPC-Web",
    isSafeOnly: false,
    request: (call, base) =>
      post(call, base, { type: "application/grpc-web+proto", body: envelope(binary(call)) }),
    answer: grpcWebAnswer,
  },
  {
    name: "gRPC-Web, JSON",
    isSafeOnly: false,
    request: (call, base) =>
      post(call, base, { type: "application/grpc-web+json", body: envelope(json(call)) }),
    answer: grpcWebAnswer,
  },
  {
    name: "gRPC-Web, text",
    isSafeOnly: false,
    request: (call, base) =>
      post(call, base, { type: "application/grpc-web-text", body: textOf(envelope(binary(call))) }),
    answer: grpcWebTextAnswer,
  },
];

/** Path of a method, from its name in the contract. */
export function pathOf(desc: DescMethod): string {
  return `/${desc.parent.typeName}/${desc.name}`;
}

/** `message` behind flags 0 and its length. */
export function envelope(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ENVELOPE_HEADER_BYTES + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, ENVELOPE_HEADER_BYTES);
  return bytes;
}

/** `bytes`, compressed. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(stream).bytes();
}

/** The answer of Connect's unary protocol. */
export async function connectAnswer(call: ConformanceCall, response: Response): Promise<Answer> {
  const type = response.headers.get("content-type");
  if (response.status === 200) {
    const message = type === "application/proto"
      ? fromBinary(call.desc.output, await response.bytes())
      : fromJson(call.desc.output, await response.json() as JsonValue);
    return { ok: true, message: toJson(call.desc.output, message) };
  }
  if (type !== "application/json") throw new Error(`an error came as ${type} with status ${response.status}`);
  const { code, message = "", details = [] } = await response.json() as {
    readonly code: string;
    readonly message?: string;
    readonly details?: readonly { readonly type: string; readonly value: string; readonly debug: unknown }[];
  };
  if (STATUS[code] !== response.status) throw new Error(`${code} came with status ${response.status}`);
  if (details.some(({ debug }) => typeof debug !== "object")) throw new Error("a detail came without debug");
  return { ok: false, code, message, details: details.map(({ type, value }) => ({ type, value })) };
}

/** The answer of gRPC-Web: a message and trailers in one body. */
async function grpcWebAnswer(call: ConformanceCall, response: Response): Promise<Answer> {
  return readGrpcWeb(call, response, await response.bytes());
}

/** The same in base64. */
async function grpcWebTextAnswer(call: ConformanceCall, response: Response): Promise<Answer> {
  const type = response.headers.get("content-type");
  if (response.status === 200 && type !== "application/grpc-web-text+proto") {
    throw new Error(`gRPC-Web as text was answered with ${type}`);
  }
  // Every part of a text may be padded.
  const parts = (await response.text()).match(/[^=]+=*/g) ?? [];
  const bytes = parts.flatMap((part) => [...base64Decode(part)]);
  return readGrpcWeb(call, response, Uint8Array.from(bytes));
}

/** In two parts, both of which have padding, unless the length forbids it. */
function textOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = base64Encode(bytes.subarray(0, 1)) + base64Encode(bytes.subarray(1));
  return new TextEncoder().encode(text);
}

function readGrpcWeb(call: ConformanceCall, response: Response, body: Uint8Array): Answer {
  if (response.status !== 200) throw new Error(`gRPC-Web came with status ${response.status}`);
  const isJson = response.headers.get("content-type")?.endsWith("json") === true;
  const { messages, trailers } = splitGrpcWeb(body);
  // An error before the first message may stand in the headers alone.
  const status = Number(trailers.get("grpc-status") ?? response.headers.get("grpc-status"));
  if (status === 0) {
    if (messages.length !== 1) throw new Error(`gRPC-Web came with ${messages.length} messages`);
    const message = isJson
      ? fromJson(call.desc.output, JSON.parse(new TextDecoder().decode(messages[0])))
      : fromBinary(call.desc.output, messages[0]!);
    return { ok: true, message: toJson(call.desc.output, message) };
  }
  const message = decodeURIComponent(
    trailers.get("grpc-message") ?? response.headers.get("grpc-message") ?? "",
  );
  const bin = trailers.get("grpc-status-details-bin") ?? response.headers.get("grpc-status-details-bin");
  return {
    ok: false,
    code: CODES[status]!,
    message,
    details: bin === null ? [] : statusDetails(base64Decode(bin)),
  };
}

function splitGrpcWeb(body: Uint8Array): { readonly messages: Uint8Array[]; readonly trailers: Headers } {
  const messages: Uint8Array[] = [];
  const trailers = new Headers();
  for (let at = 0; at < body.length;) {
    const length = new DataView(body.buffer, body.byteOffset + at + 1).getUint32(0);
    const part = body.subarray(at + ENVELOPE_HEADER_BYTES, at + ENVELOPE_HEADER_BYTES + length);
    if (body[at] === GRPC_TRAILER_FLAG) {
      for (const line of new TextDecoder().decode(part).split("\r\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) trailers.set(line.slice(0, colon), line.slice(colon + 1).trim());
      }
    } else messages.push(part);
    at += ENVELOPE_HEADER_BYTES + length;
  }
  return { messages, trailers };
}

/** The details of a `google.rpc.Status`: its field 3, each an `Any` of type URL and value. */
export function statusDetails(bytes: Uint8Array): { readonly type: string; readonly value: string }[] {
  const details: { type: string; value: string }[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field !== STATUS_DETAILS.details) {
      reader.skip(wireType, field);
      continue;
    }
    const any = new BinaryReader(reader.bytes());
    const detail = { type: "", value: "" };
    while (any.pos < any.len) {
      const [part] = any.tag();
      if (part === 1) detail.type = any.string().replace(/^type\.googleapis\.com\//, "");
      else detail.value = base64Encode(any.bytes(), "std_raw");
    }
    details.push(detail);
  }
  return details;
}

/** The request message in protobuf's binary form. */
export function binary({ desc, input }: ConformanceCall): Uint8Array<ArrayBuffer> {
  return toBinary(desc.input, create(desc.input, input));
}

function json({ desc, input }: ConformanceCall): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(toJson(desc.input, create(desc.input, input))));
}

function base64(bytes: Uint8Array): string {
  return base64Encode(bytes, "url");
}

function percent(bytes: Uint8Array): string {
  return [...bytes].map((byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
}

function post(
  { desc, headers }: ConformanceCall,
  base: string,
  { type, body, encoding }: {
    readonly type: string;
    readonly body: Uint8Array<ArrayBuffer>;
    readonly encoding?: string;
  },
): Promise<Request> {
  const all = new Headers({ "content-type": type, ...headers });
  if (encoding !== undefined) all.set("content-encoding", encoding);
  if (type.includes("grpc-web") && all.has("connect-timeout-ms")) {
    all.set("grpc-timeout", `${all.get("connect-timeout-ms")}m`);
    all.delete("connect-timeout-ms");
  }
  return Promise.resolve(new Request(base + pathOf(desc), { method: "POST", headers: all, body }));
}

function get({ desc, headers }: ConformanceCall, base: string, query: string): Promise<Request> {
  return Promise.resolve(
    new Request(`${base}${pathOf(desc)}?connect=v1&${query}`, { headers: headers ?? {} }),
  );
}
