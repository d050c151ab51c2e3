/**
 * Asking a handler on a fake node, for the tests of this folder.
 *
 * @module
 */

import { ByteShare, CorsPolicy, webHandler } from "../../server/http/mod.ts";
import type { RpcRouterOptions } from "../../server/rpc/http.ts";
import { RpcRouter } from "../../server/rpc/mod.ts";
import { fetchHandler } from "../support/fetch/fetch_handler.ts";
import { type Answer, type ConformanceCall, type ConformanceCaller, connectAnswer } from "./callers.ts";
import { FakeNode } from "./fake_node.ts";

/** Where requests go; nobody listens there. */
export const BASE = "http://node.test:50051";

/** In place of what a node has beside its methods. */
export const NO_NEIGHBOURS: Pick<RpcRouterOptions, "peers" | "readiness" | "room"> = {
  peers: webHandler(() => Promise.resolve(new Response(null, { status: 400 }))),
  readiness: () => ({ isReady: true, isReadyForReads: true, troubles: [] }),
  room: { bodies: new ByteShare(2 ** 30), answers: new ByteShare(2 ** 30) },
};

const node = new FakeNode();

/** The routes of a node of their own. */
export function router(options: Partial<RpcRouterOptions> = {}): RpcRouter {
  return new RpcRouter({
    node: new FakeNode(),
    requests: { observe: () => {}, observeRefusal: () => {} },
    ...NO_NEIGHBOURS,
    ...options,
  });
}

/** What a handler is made of. */
export interface HandlerOptions extends Partial<RpcRouterOptions> {
  /** Of pages that may call; those of loopback addresses unless given. */
  readonly corsOrigins?: readonly string[];
}

/** A handler on a node of its own. */
export function handler({ corsOrigins, ...options }: HandlerOptions = {}) {
  const { bodies } = NO_NEIGHBOURS.room;
  return fetchHandler(router(options), { bodies, cors: new CorsPolicy(corsOrigins) });
}

/** Asks the one handler that all tests of a file share. */
export function ask(request: Request): Response | Promise<Response> {
  return handler({ node })(request);
}

/** Asks it by `caller`. */
export async function askBy(caller: ConformanceCaller, asked: ConformanceCall): Promise<Answer> {
  return await caller.answer(asked, await ask(await caller.request(asked, BASE)));
}

/** Asks it for `desc`, in Connect's unary protocol. */
export async function answerOf(desc: ConformanceCall["desc"], request: Request): Promise<Answer> {
  return await connectAnswer({ desc, input: {} }, await ask(request));
}

/** A POST. */
export function post(
  path: string,
  type: string,
  body: Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Request {
  return new Request(BASE + path, { method: "POST", body, headers: { "content-type": type, ...headers } });
}
