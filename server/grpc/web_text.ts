/**
 * gRPC-Web as text: the same messages in base64, for clients that can read texts only while they come, as
 * those of Google's library do by default. Requests are turned into plain gRPC-Web and answers back, on the
 * way to and from whoever serves that.
 *
 * Source: gRPC-Web protocol, "text-encoded streams": padding may stand wherever a sender has paused, so every
 * four characters are read by themselves, and each chunk of an answer is padded by itself.
 *
 * @module
 */

import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { invalidArgument } from "../api/mod.ts";
import { joinChunks } from "../http/mod.ts";

const TEXT_TYPE = /^application\/grpc-web-text(?=$|[+;])/i;
const PLAIN_TYPE = "application/grpc-web";
const ANSWERED_TEXT_TYPE = "application/grpc-web-text";
/** Each stands for three bytes or fewer. */
const GROUP_LENGTH = 4;
/** Of groups of four, of which the last may be padded. No repeated group: a text may have megabytes. */
const PART = /^[A-Za-z0-9+/]*={0,2}$/;

/** Whether a request of this content type is gRPC-Web as text. */
export function isGrpcWebText(contentType: string | null): boolean {
  return contentType !== null && TEXT_TYPE.test(contentType);
}

/** Answers a request of gRPC-Web as text by `answer`, which knows the plain form only. */
export async function answerWebText(
  request: Request,
  answer: (plain: Request) => Promise<Response>,
): Promise<Response> {
  const headers = new Headers(request.headers);
  headers.set("content-type", headers.get("content-type")!.replace(TEXT_TYPE, PLAIN_TYPE));
  headers.delete("content-length");
  const body = request.body?.pipeThrough(new TransformStream(new TextDecoding())) ?? null;
  const { method, signal, url } = request;
  return asText(await answer(new Request(url, { method, headers, signal, body })));
}

function asText({ status, headers, body }: Response): Response {
  const type = headers.get("content-type") ?? "";
  const textHeaders = new Headers(headers);
  // What is refused before it is a call is in no form of gRPC-Web.
  if (!type.startsWith(PLAIN_TYPE)) return new Response(body, { status, headers: textHeaders });
  textHeaders.set("content-type", type.replace(PLAIN_TYPE, ANSWERED_TEXT_TYPE));
  textHeaders.delete("content-length");
  return new Response(body?.pipeThrough(new TransformStream(TEXT_ENCODING)) ?? null, {
    status,
    headers: textHeaders,
  });
}

const TEXT_ENCODING: Transformer<Uint8Array, Uint8Array<ArrayBuffer>> = {
  transform: (chunk, controller) => controller.enqueue(new TextEncoder().encode(base64Encode(chunk))),
};

/** Base64 that comes in chunks of any size to bytes. */
class TextDecoding implements Transformer<Uint8Array, Uint8Array<ArrayBuffer>> {
  readonly #decoder = new TextDecoder("latin1");
  /** Characters of a group that has not come as a whole. */
  #rest = "";

  transform(chunk: Uint8Array, controller: TransformStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    const length = text.length - text.length % GROUP_LENGTH;
    this.#rest = text.slice(length);
    const parts = partsOf(text.slice(0, length));
    // As one chunk: whoever pads every byte must not make the reader keep an object for each.
    const bytes = joinChunks(parts, parts.reduce((sum, part) => sum + part.length, 0));
    if (bytes.length > 0) controller.enqueue(bytes);
  }

  flush(): void {
    if (this.#rest === "") return;
    throw invalidArgument("Cannot read the request: its body ends within a group of four base64 characters");
  }
}

/** What `text`, of whole groups, stands for: up to each padding one part, as it is decoded. */
function partsOf(text: string): Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < text.length;) {
    const padding = text.indexOf("=", at);
    const end = padding < 0 ? text.length : padding + GROUP_LENGTH - (padding - at) % GROUP_LENGTH;
    const part = text.slice(at, end);
    if (!PART.test(part)) throw invalidArgument("Cannot read the request: its body is not base64");
    parts.push(base64Decode(part));
    at = end;
  }
  return parts;
}
