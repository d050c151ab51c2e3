/**
 * Asking a handler on a fake node, for the tests of this folder.
 *
 * @module
 */

import { createHttpHandler, type HttpHandlerOptions } from "../../server/rpc/http.ts";
import { type Answer, type Caller, type ConformanceCall, connectAnswer } from "./callers.ts";
import { FakeNode } from "./fake_node.ts";

/** Where requests go; nobody listens there. */
export const BASE = "http://node.test:50051";

const node = new FakeNode();

/** A handler on a node of its own. */
export function handler(options: Partial<HttpHandlerOptions> = {}) {
  const streaming = { deliver: () => Promise.resolve(new Response(null, { status: 400 })) };
  return createHttpHandler({
    node: new FakeNode(),
    corsOrigins: undefined,
    requests: { observe: () => {}, observeRefusal: () => {} },
    streaming,
    ...options,
  });
}

/** Asks the one handler that all tests of a file share. */
export function ask(request: Request): Response | Promise<Response> {
  return handler({ node })(request);
}

/** Asks it by `caller`. */
export async function askBy(caller: Caller, asked: ConformanceCall): Promise<Answer> {
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
