/**
 * The grammar of heads once more, as slow and obvious as can be: text and regular expressions, line by line.
 * What the parser reads must be what this reads.
 *
 * @module
 */

import { FIELDS_MAX } from "../../server/http/h1/message/mod.ts";

/** What a head says. */
export interface ReferenceHead {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly version: string;
  readonly bodyBytes: number | undefined;
  readonly fields: readonly (readonly [string, string])[];
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/(1)\\.(\\d)$`);
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*([\\t\\x20-\\x7e\\x80-\\xff]*)$`);
const AUTHORITY = /^(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z\-._~%!$&'()*+,;=]+)(:\d{0,5})?$/;

/**
 * Reads a head.
 *
 * @returns what it says, `undefined` if it must be refused, `"more"` if its end has not come
 */
export function referenceHead(text: string): ReferenceHead | undefined | "more" {
  const lines: string[] = [];
  for (let at = 0;;) {
    const feed = text.indexOf("\n", at);
    if (feed < 0) return "more";
    const line = text.slice(at, feed);
    at = feed + 1;
    if (!line.endsWith("\r")) return undefined;
    if (line === "\r" && lines.length > 0) return fromLines(lines);
    if (line !== "\r") lines.push(line.slice(0, -1));
  }
}

function fromLines([first, ...rest]: readonly string[]): ReferenceHead | undefined {
  const [, method, target, , minor] = REQUEST_LINE.exec(first!) ?? [];
  if (method === undefined || target === undefined || method === "CONNECT") return undefined;
  const fields: [string, string][] = [];
  for (const line of rest) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    fields.push([name.toLowerCase(), value.replace(/[ \t]+$/, "")]);
  }
  if (fields.length > FIELDS_MAX) return undefined;
  const isOld = minor === "0";
  const valuesOf = (wanted: string) => fields.filter(([name]) => name === wanted).map(([, value]) => value);
  const bodyBytes = lengthFrom(valuesOf("content-length"), valuesOf("transfer-encoding"), isOld);
  if (bodyBytes === "refused") return undefined;
  const hosts = valuesOf("host");
  if (hosts.length > 1 || (!isOld && (hosts[0] ?? "") === "")) return undefined;
  if (hosts[0] !== undefined && hosts[0] !== "" && !isReferenceAuthority(hosts[0])) return undefined;
  const expectations = valuesOf("expect");
  const isKnown = /^[ \t]*(100-continue)?[ \t]*$/i;
  if (!isOld && !expectations.join(",").split(",").every((each) => isKnown.test(each))) return undefined;
  const place = placeOf(method, target, hosts[0] ?? "");
  if (place === undefined) return undefined;
  return { method, ...place, version: isOld ? "1.0" : "1.1", bodyBytes, fields };
}

function lengthFrom(
  lengths: readonly string[],
  codings: readonly string[],
  isOld: boolean,
): number | undefined | "refused" {
  if (lengths.some((each) => !/^\d{1,15}$/.test(each))) return "refused";
  if (new Set(lengths.map(Number)).size > 1) return "refused";
  if (codings.length === 0) return Number(lengths[0] ?? 0);
  const isSound = !isOld && lengths.length === 0 && codings.length === 1;
  return isSound && codings[0]!.toLowerCase() === "chunked" ? undefined : "refused";
}

function isReferenceAuthority(text: string): boolean {
  return AUTHORITY.test(text) && Number(/:(\d+)$/.exec(text.replace(/^\[.*\]/, ""))?.[1] ?? 0) <= 65_535;
}

function placeOf(method: string, target: string, host: string) {
  if (target.includes("#")) return undefined;
  if (target.startsWith("/")) return { target, authority: host };
  if (target === "*") return method === "OPTIONS" ? { target, authority: host } : undefined;
  const [, authority, path] = /^https?:\/\/([^/?]+)(.*)$/i.exec(target) ?? [];
  if (authority === undefined || path === undefined || !isReferenceAuthority(authority)) return undefined;
  if (path === "" && method === "OPTIONS") return { target: "*", authority };
  return { target: path.startsWith("/") ? path : `/${path}`, authority };
}
