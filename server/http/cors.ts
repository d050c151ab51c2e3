/**
 * Cross-origin access: which pages' scripts may call a node. A page of a foreign origin is answered without
 * the headers that would let its script read the answer, and its preflights are refused.
 *
 * Source: Fetch standard, "HTTP CORS protocol".
 *
 * @module
 */

import { cors } from "@connectrpc/connect";

/** Pages served by this machine, on any port. */
const LOOPBACK_ORIGIN = /^https?:\/\/(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

/** Two hours, the longest that browsers keep a preflight's answer. */
const PREFLIGHT_SECONDS = 7_200;

const PREFLIGHT_HEADERS: readonly (readonly [string, string])[] = [
  ["access-control-allow-methods", cors.allowedMethods.join(", ")],
  [
    "access-control-allow-headers",
    [...cors.allowedHeaders, "Prkdb-Route", "Prkdb-Cluster", "Authorization"].join(", "),
  ],
  ["access-control-max-age", String(PREFLIGHT_SECONDS)],
];
const EXPOSED = cors.exposedHeaders.join(", ");

/** For people: browsers do not show it to pages. */
function refusal(origin: string): string {
  return `Cannot allow calls by pages of ${origin}: start the node with --cors-origin ${origin} to allow them\n`;
}

/** Decides about origins. */
export class CorsPolicy {
  readonly #origins: ReadonlySet<string> | undefined;

  /**
   * @param origins exactly as browsers send them, or `*` for all; `undefined` for those of loopback addresses
   */
  constructor(origins: readonly string[] | undefined) {
    this.#origins = origins === undefined ? undefined : new Set(origins);
  }

  /** Whether a page of `origin` may call. */
  isAllowed(origin: string): boolean {
    if (this.#origins === undefined) return LOOPBACK_ORIGIN.test(origin);
    return this.#origins.has("*") || this.#origins.has(origin);
  }

  /** The answer to an `OPTIONS` request, before {@linkcode admit}. */
  preflight(request: Request, allow: string): Response {
    const origin = request.headers.get("origin");
    if (origin === null) return new Response(null, { status: 204, headers: [["allow", allow]] });
    if (!this.isAllowed(origin)) return new Response(refusal(origin), { status: 403 });
    return new Response(null, {
      status: 204,
      headers: PREFLIGHT_HEADERS.map(([name, value]) => [name, value]),
    });
  }

  /** `response`, with what the browser needs to hand it to a page of `origin`. */
  admit(response: Response, origin: string): Response {
    response.headers.append("vary", "Origin");
    if (!this.isAllowed(origin)) return response;
    response.headers.set("access-control-allow-origin", origin);
    response.headers.set("access-control-expose-headers", EXPOSED);
    return response;
  }
}
