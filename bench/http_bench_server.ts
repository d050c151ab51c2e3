/**
 * A server with a bare handler, for `http_bench.ts`: says its address and serves until it is killed.
 *
 * @module
 */

import { startHttp1 } from "../server/http/h1/mod.ts";
import { HTTP_LIMITS, type HttpRouter, TcpListener, webHandler } from "../server/http/mod.ts";

const BODY = new Uint8Array(23);
const TYPE = ["content-type", "application/proto"] as const;
const UNLIMITED = { take: () => true, release: () => {} };

const ROUTERS: Readonly<Record<string, HttpRouter>> = {
  "own, whole": {
    route: () => ({
      kind: "whole",
      bodyLimitBytes: 1_048_576,
      answer: (head, body) => answerTo(head.headers.get("content-type"), body.length),
      refuse: () => answerTo(null, 0),
    }),
  },
  "own, web": { route: () => webHandler(answerWeb) },
};

const kind = Deno.args[0] ?? "own, whole";
const router = ROUTERS[kind];
if (router === undefined) {
  Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`127.0.0.1:${port}`) },
    answerWeb,
  );
} else {
  const meters = { observeConnections: () => {}, observeLimit: () => {} };
  const context = { limits: HTTP_LIMITS, bodies: UNLIMITED, answers: UNLIMITED, meters };
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = router;
  console.log(listener.address);
}

function answerTo(type: string | null, length: number) {
  return { status: type === TYPE[1] && length === 122 ? 200 : 400, headers: [TYPE], body: BODY };
}

async function answerWeb(request: Request): Promise<Response> {
  const { status } = answerTo(request.headers.get("content-type"), (await request.bytes()).length);
  return new Response(BODY, { status, headers: [[...TYPE], ["content-length", String(BODY.length)]] });
}
