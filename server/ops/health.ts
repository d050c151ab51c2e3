/**
 * What operators and their tools ask a node, on a port of its own: `/metrics`, `/healthz` (the process works)
 * and `/readyz` (it can serve all partitions).
 *
 * @module
 */

import type { Readiness } from "../node/mod.ts";
import type { Metrics } from "./metrics.ts";

/** What the answers are made from. */
interface OpsSource {
  readonly metrics: Metrics;
  readonly readiness: () => Readiness;
}

/** Answers one request of an operator. */
export async function handleOps(request: Request, { metrics, readiness }: OpsSource): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") {
    const message = `Cannot serve ${request.method} ${pathname}: use GET or HEAD\n`;
    return new Response(message, { status: 405, headers: { allow: "GET, HEAD" } });
  }
  if (pathname === "/metrics") {
    return new Response(await metrics.render(), { headers: { "content-type": metrics.contentType } });
  }
  if (pathname === "/healthz") return new Response("ok\n");
  if (pathname === "/readyz") {
    const state = readiness();
    return state.isReady ? new Response("ok\n") : new Response(`${state.reason}\n`, { status: 503 });
  }
  return new Response(`Cannot find ${pathname}: use /metrics, /healthz or /readyz\n`, { status: 404 });
}
