/**
 * What a request is for: the forms of a target (RFC 9112, section 3.2), and the host that it names.
 *
 * @module
 */

import { badRequest, type HeadFault } from "./head_fault.ts";
import { isHostCharacter } from "./syntax.ts";

const PORT_MAX = 65_535;
const ABSOLUTE = /^https?:\/\/([^/?]*)(.*)$/i;

const BAD_TARGET = badRequest(
  'its target must be a path that begins with "/", an http URL, or "*" of OPTIONS',
);
const BAD_HOST = badRequest("its host must be a name or an address, with a port behind a colon at most");

/** Where a request goes. */
export interface TargetPlace {
  readonly kind: "place";
  /** Path and query, or `*`. */
  readonly target: string;
  readonly authority: string;
}

/**
 * Splits a target.
 *
 * @param line of a request whose target has visible ASCII only
 * @param host the value of its `Host`, empty if it has none
 */
export function readTarget(
  { method, target }: { readonly method: string; readonly target: string },
  host: string,
): TargetPlace | HeadFault {
  if (!isAuthority(host) && host !== "") return BAD_HOST;
  if (target.includes("#")) return BAD_TARGET;
  if (target.startsWith("/")) return { kind: "place", target, authority: host };
  if (target === "*") return method === "OPTIONS" ? { kind: "place", target, authority: host } : BAD_TARGET;
  // RFC 9112, section 3.2.2: the host of an absolute target counts, whatever `Host` says.
  const [, authority, rest] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined || rest === undefined) return BAD_TARGET;
  if (!isAuthority(authority)) return BAD_HOST;
  if (rest === "" && method === "OPTIONS") return { kind: "place", target: "*", authority };
  return { kind: "place", target: rest.startsWith("/") ? rest : `/${rest}`, authority };
}

/** Whether `text` is `host` or `host:port`. */
export function isAuthority(text: string): boolean {
  const hostEnd = text.startsWith("[") ? text.indexOf("]") + 1 : nameEnd(text);
  if (hostEnd === 0) return false;
  if (text.startsWith("[") && !/^\[[0-9A-Fa-f:.]{2,45}\]$/.test(text.slice(0, hostEnd))) return false;
  if (hostEnd === text.length) return true;
  const port = text.slice(hostEnd + 1);
  return text[hostEnd] === ":" && /^\d{0,5}$/.test(port) && Number(port) <= PORT_MAX;
}

function nameEnd(text: string): number {
  let at = 0;
  while (at < text.length && isHostCharacter(text.charCodeAt(at))) at++;
  return at;
}
