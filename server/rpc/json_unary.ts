/**
 * Unary calls in JSON, POST and GET: through the Connect router like all of the general path, but from a
 * whole body to a whole answer, without streams of the web.
 *
 * @module
 */

import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import {
  type Caller,
  joinChunks,
  type RequestHead,
  type WholeAnswer,
  type WholeHandler,
} from "../http/mod.ts";
import type { GetQuery } from "./connect_get.ts";
import { GENERAL_FACTOR, type RoutedMethod } from "./connect_router.ts";
import { errorAnswer } from "./fast_unary.ts";
import {
  AnswerLease,
  bodyRefused,
  type ExchangeRoom,
  noteFailure,
  type RequestObserver,
} from "./method/mod.ts";

const NO_BYTES = new Uint8Array(0);

/** What answering takes. */
export interface JsonContext {
  readonly method: RoutedMethod;
  readonly requests: RequestObserver;
  readonly room: ExchangeRoom;
}

/** Whether a POST of this content type is answered here; of others the general path says what is wrong. */
export function isJsonUnary(contentType: string | null): boolean {
  return contentType !== null && /^application\/json(?:; ?charset=utf-?8)?$/i.test(contentType);
}

/** Answers calls in JSON; `query` is that of a GET. */
export function jsonHandler(context: JsonContext, query?: GetQuery): WholeHandler {
  const { method, requests } = context;
  const fail = (error: unknown) =>
    errorAnswer(noteFailure({ requests, method: method.name, startedMs: performance.now() }, error));
  return {
    kind: "whole",
    label: { route: method.path, protocol: "connect" },
    bodyLimitBytes: REQUEST_BYTES_MAX,
    answer: async (head, body, caller) => {
      const lease = new AnswerLease(context.room, GENERAL_FACTOR);
      try {
        return await answerJson({ ...context, query }, { head, body, caller, lease });
      } catch (error) {
        return fail(error);
      } finally {
        lease.release();
      }
    },
    refuse: (head, refusal) => fail(bodyRefused(refusal, head.headers.get("content-length"))),
  };
}

/** A call with its body. */
interface JsonCall {
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly caller: Caller;
  readonly lease: AnswerLease;
}

async function answerJson(
  { method, query }: JsonContext & { readonly query: GetQuery | undefined },
  { head, body, caller, lease }: JsonCall,
): Promise<WholeAnswer> {
  const pairs = [...head.headers].map(([name, value]): [string, string] => [name, value]);
  const response = await method.ask({
    httpMethod: head.method,
    url: `${head.scheme}://${head.authority === "" ? "localhost" : head.authority}${head.target}`,
    headers: new Headers(pairs),
    body: () => body,
    caller,
    lease,
    query,
  });
  return {
    status: response.status,
    headers: [...new Headers(response.header)],
    body: await wholeBody(response.body),
  };
}

async function wholeBody(body: UniversalServerResponse["body"]): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  if (body !== undefined) { for await (const chunk of body) chunks.push(chunk); }
  if (chunks.length <= 1) return chunks[0] ?? NO_BYTES;
  return joinChunks(chunks, chunks.reduce((length, chunk) => length + chunk.length, 0));
}
