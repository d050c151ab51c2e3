/**
 * The routes of a node without a socket: a `Request` of the web becomes a head and a body, what is answered
 * becomes a `Response`. So tests ask handlers as `fetch` would.
 *
 * @module
 */

import { DomainError } from "../../../server/api/mod.ts";
import {
  type BodyRefusal,
  type ByteBudget,
  type CorsPolicy,
  handlerFor,
  type HeaderFields,
  type HttpRouter,
  type RequestHead,
  type WholeAnswer,
  type WholeHandler,
} from "../../../server/http/mod.ts";
import { partsOf } from "../../../server/rpc/http.ts";
import { BodyReader } from "../../../server/rpc/request_body.ts";
import { RequestCaller } from "../../../server/rpc/request_caller.ts";
import { streamedResponse } from "./streamed_response.ts";

const NO_BYTES = new Uint8Array(0);

/** What requests are served with. */
export interface FetchSurroundings {
  /** For those that arrive. */
  readonly bodies: ByteBudget;
  /** Which pages may call; none may unless given. */
  readonly cors?: CorsPolicy;
}

/** A handler that answers as `router` says. It never throws and never rejects. */
export function fetchHandler(
  router: HttpRouter,
  { bodies: room, cors }: FetchSurroundings,
): (request: Request) => Promise<Response> {
  const bodies = new BodyReader(room);
  return async (request) => {
    const head = new WebHead(request);
    const handler = handlerFor(head, { router, cors });
    const response = handler.kind === "whole"
      ? await answerWhole(handler, { head, request, bodies })
      : await (handler.fetch?.(request) ?? streamedResponse(handler, head, request));
    for (const [name, value] of cors?.admitFields([], request.headers.get("origin")) ?? []) {
      response.headers.append(name, value);
    }
    return response;
  };
}

/** The head of a request of the web. */
class WebHead implements RequestHead {
  readonly version = "1.1";
  readonly scheme = "http";
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderFields;

  constructor({ headers, method, url }: Request) {
    this.method = method;
    const { path, query } = partsOf(url);
    this.target = query === "" ? path : `${path}?${query}`;
    this.headers = headers;
  }

  get authority(): string {
    return this.headers.get("host") ?? "";
  }
}

/** What answering takes. */
interface WebExchange {
  readonly head: RequestHead;
  readonly request: Request;
  readonly bodies: BodyReader;
}

async function answerWhole(
  handler: WholeHandler,
  { head, request, bodies }: WebExchange,
): Promise<Response> {
  let whole: Uint8Array;
  try {
    whole = request.body === null ? NO_BYTES : await bodies.read(request);
  } catch (error) {
    return toResponse(handler.refuse(head, refusalOf(error)));
  }
  return toResponse(await handler.answer(head, whole, new RequestCaller(request)));
}

/** What the reader of bodies says, in the words of the exchange. */
function refusalOf(error: unknown): BodyRefusal {
  const kind = error instanceof DomainError ? error.failure.kind : undefined;
  if (kind === "invalidArgument") return "tooLarge";
  return kind === "overloaded" ? "noRoom" : "brokenOff";
}

function toResponse({ status, headers, body }: WholeAnswer): Response {
  return new Response(status === 204 ? null : body as Uint8Array<ArrayBuffer>, {
    status,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  });
}
