/**
 * What operators and their tools ask a node, on a port of its own: `/metrics`, `/healthz` (the process works)
 * and `/readyz` (calls through this node can succeed).
 *
 * `/readyz` answers 200 or 503 with the first reason; `?verbose` with every reason and its kind, one a line;
 * `?for=reads` leaves out what only writes suffer from.
 *
 * @module
 */

import type { Readiness } from "../api/mod.ts";
import { type HttpRouter, type RequestLabel, webHandler } from "../http/mod.ts";
import type { Metrics } from "./metrics.ts";

/** What the answers are made from. */
interface OpsSource {
  readonly metrics: Metrics;
  readonly readiness: () => Readiness;
}

const PATHS = ["/metrics", "/healthz", "/readyz"];

/** Answers operators. */
export function opsRouter(source: OpsSource): HttpRouter {
  const handlerOf = (label: RequestLabel) => webHandler((request) => handleOps(request, source), { label });
  const handlers = new Map(PATHS.map((route) => [route, handlerOf({ route })]));
  const unknown = handlerOf({});
  return { route: ({ target }) => handlers.get(target.split("?", 1)[0]!) ?? unknown };
}

/** Answers one request of an operator. */
export async function handleOps(request: Request, { metrics, readiness }: OpsSource): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") {
    const message = `Cannot serve ${request.method} ${pathname}: use GET or HEAD\n`;
    return new Response(message, { status: 405, headers: { allow: "GET, HEAD" } });
  }
  if (pathname === "/metrics") {
    return new Response(await metrics.render(), { headers: { "content-type": metrics.contentType } });
  }
  if (pathname === "/healthz") return new Response("ok\n");
  if (pathname === "/readyz") return tellReadiness(readiness(), searchParams);
  return new Response(`Cannot find ${pathname}: use /metrics, /healthz or /readyz\n`, { status: 404 });
}

function tellReadiness({ isReady, isReadyForReads, troubles }: Readiness, query: URLSearchParams): Response {
  const wanted = query.get("for") ?? "all";
  if (wanted !== "all" && wanted !== "reads") {
    const message = `Cannot tell whether the node is ready for ${wanted}: use ?for=reads or ?for=all\n`;
    return new Response(message, { status: 400 });
  }
  const isUp = wanted === "reads" ? isReadyForReads : isReady;
  const status = isUp ? 200 : 503;
  if (query.has("verbose")) {
    const lines = troubles.map(({ kind, reason }) => `${kind}: ${reason}\n`);
    return new Response([isUp ? "ok\n" : "not ready\n", ...lines].join(""), { status });
  }
  return new Response(isUp ? "ok\n" : `${troubles[0]?.reason}\n`, { status });
}
