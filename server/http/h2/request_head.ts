/**
 * From the fields of a header block to the head of a request (RFC 9113, sections 8.2 and 8.3), or the reason
 * why it is malformed, which ends the stream and not the connection.
 *
 * @module
 */

import type { HeaderFields, RequestHead } from "../mod.ts";
import type { HpackField } from "../hpack/mod.ts";

/** A token in lower case (RFC 9110, section 5.6.2): what a name may be. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What no value may hold (RFC 9113, section 8.2.1). */
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** A host and a port without a user (RFC 9113, section 8.3.1); what hosts there are is not judged here. */
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[^\s@/?#\\[\]:]+)(:\d*)?$/;
const TARGET = /^(\/[\x21-\x7e\x80-\xff]*|\*)$/;
const LENGTH = /^\d{1,15}$/;

/** A request, up to its body. */
export interface Http2Head extends RequestHead {
  readonly version: "2";
  /** What `content-length` says; `undefined` without one. */
  readonly bodyBytes: number | undefined;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
}

/** A head, or why there is none. */
export type HeadResult = { readonly head: Http2Head } | { readonly fault: string };

/** The fields of a request but for the pseudo-header fields, in their order. */
class FieldList implements HeaderFields {
  readonly #fields: readonly HpackField[];

  constructor(fields: readonly HpackField[]) {
    this.#fields = fields;
  }

  get(name: string): string | null {
    let found: string | null = null;
    for (const field of this.#fields) {
      if (field.name !== name) continue;
      // Cookies come in crumbs (RFC 9113, section 8.2.3).
      found = found === null ? field.value : `${found}${name === "cookie" ? "; " : ", "}${field.value}`;
    }
    return found;
  }

  *[Symbol.iterator](): Iterator<readonly [name: string, value: string]> {
    for (const { name, value } of this.#fields) yield [name, value];
  }
}

/** What the fields say about the request, while they are read. */
interface Draft {
  method: string | undefined;
  scheme: string | undefined;
  path: string | undefined;
  authority: string | undefined;
  host: string | undefined;
  length: string | undefined;
  expectsContinue: boolean;
}

/**
 * Reads the fields of a request.
 *
 * @param scheme that of the connection; what `:scheme` says is what a proxy was asked for
 */
export function readRequestHead(fields: readonly HpackField[], scheme: RequestHead["scheme"]): HeadResult {
  const draft: Draft = {
    method: undefined,
    scheme: undefined,
    path: undefined,
    authority: undefined,
    host: undefined,
    length: undefined,
    expectsContinue: false,
  };
  let pseudos = 0;
  while (pseudos < fields.length && fields[pseudos]!.name.startsWith(":")) {
    const fault = readPseudo(fields[pseudos++]!, draft);
    if (fault !== undefined) return { fault };
  }
  for (let at = pseudos; at < fields.length; at++) {
    // A pseudo-header field behind others is no name of a regular one either.
    const fault = readRegular(fields[at]!, draft);
    if (fault !== undefined) return { fault };
  }
  return finishHead(draft, { fields: fields.slice(pseudos), scheme });
}

/** The reason why these are no trailers, if so. Trailers are not handed on. */
export function trailerFault(fields: readonly HpackField[]): string | undefined {
  for (const { name, value } of fields) {
    if (!NAME.test(name)) return `a trailer may not be named "${name}"`;
    if (BAD_VALUE.test(value)) return `the value of ${name} has characters that no field may have`;
  }
  return undefined;
}

function readPseudo({ name, value }: HpackField, draft: Draft): string | undefined {
  const key = name.slice(1);
  if (key !== "method" && key !== "scheme" && key !== "path" && key !== "authority") {
    return `${name} is no field of a request`;
  }
  if (draft[key] !== undefined) return `${name} comes twice`;
  draft[key] = value;
  return undefined;
}

function readRegular({ name, value }: HpackField, draft: Draft): string | undefined {
  if (!NAME.test(name)) return `a field may not be named "${name}"`;
  if (BAD_VALUE.test(value)) return `the value of ${name} has characters that no field may have`;
  switch (name) {
    case "connection":
    case "keep-alive":
    case "proxy-connection":
    case "transfer-encoding":
    case "upgrade":
      return `${name} is about a connection of HTTP/1.1`;
    case "te":
      return value === "trailers" ? undefined : `te is "${value}": only "trailers" may be asked for`;
    case "host":
      if (draft.host !== undefined && draft.host !== value) return "there are two hosts";
      draft.host = value;
      return undefined;
    case "expect":
      draft.expectsContinue = value.toLowerCase() === "100-continue";
      return undefined;
    case "content-length":
      if (!LENGTH.test(value)) return `content-length is "${value}": not a length`;
      if (draft.length !== undefined && draft.length !== value) return "there are two lengths";
      draft.length = value;
      return undefined;
    default:
      return undefined;
  }
}

/** What the head of a request is made of beside its draft. */
interface HeadParts {
  readonly fields: readonly HpackField[];
  readonly scheme: RequestHead["scheme"];
}

function finishHead(draft: Draft, { fields, scheme }: HeadParts): HeadResult {
  const { method, path, host, length } = draft;
  if (method === undefined || !METHOD.test(method)) return { fault: ":method is missing or not a method" };
  const isConnect = method === "CONNECT";
  const target = isConnect ? connectTarget(draft) : path;
  if (target === undefined) return { fault: ":path is missing, or CONNECT has more than an :authority" };
  if (!isConnect && draft.scheme === undefined) return { fault: ":scheme is missing" };
  if (!isConnect && !isTarget(target, method)) return { fault: `:path is "${target}": not a path` };
  const authority = draft.authority ?? host;
  if (authority === undefined || !AUTHORITY.test(authority)) {
    return { fault: ":authority is missing or no host" };
  }
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) {
    return { fault: "host is unlike :authority" };
  }
  const headers = new FieldList(fields);
  const bodyBytes = length === undefined ? undefined : Number(length);
  const { expectsContinue } = draft;
  return { head: { version: "2", method, target, authority, scheme, headers, bodyBytes, expectsContinue } };
}

function isTarget(path: string, method: string): boolean {
  return TARGET.test(path) && (path !== "*" || method === "OPTIONS");
}

/** RFC 9113, section 8.5. */
function connectTarget({ path, scheme, authority }: Draft): string | undefined {
  return path === undefined && scheme === undefined ? authority : undefined;
}
