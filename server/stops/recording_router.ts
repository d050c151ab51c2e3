/**
 * A router with a record of when requests with a whole body come and are answered, and one that tells the
 * record.
 *
 * @module
 */

import {
  type HttpRouter,
  type RequestHead,
  webHandler,
  type WholeAnswer,
  type WholeHandler,
} from "../http/mod.ts";
import type { StopRecorder } from "./stop_recorder.ts";

/** The page that tells the stops, `?since=N` those from number N on. */
const PAGE = "/stops";

/** A router that does as `router`, on the record. */
export function recordingRouter(router: HttpRouter, recorder: StopRecorder): HttpRouter {
  return {
    route: (head) => {
      const handler = router.route(head);
      if (handler.kind !== "whole") return handler;
      recorder.note("head");
      return recordingHandler(handler, recorder);
    },
  };
}

function recordingHandler(handler: WholeHandler, recorder: StopRecorder): WholeHandler {
  const note = (answer: WholeAnswer) => {
    recorder.note("answered");
    return answer;
  };
  return {
    ...handler,
    answer: (head, body, caller) => {
      recorder.note("request");
      const answer = handler.answer(head, body, caller);
      return answer instanceof Promise ? answer.then(note) : note(answer);
    },
  };
}

/** A router that tells the stops under `/stops`, and for all else does as `router`. */
export function stopsRouter(router: HttpRouter, recorder: StopRecorder): HttpRouter {
  const page = webHandler((request) => tellStops(request, recorder), { label: { route: PAGE } });
  return { route: (head) => pathOf(head) === PAGE ? page : router.route(head) };
}

function pathOf({ target }: RequestHead): string {
  return target.split("?", 1)[0]!;
}

function tellStops(request: Request, recorder: StopRecorder): Response {
  if (request.method !== "GET") {
    const message = `Cannot serve ${request.method} ${PAGE}: use GET\n`;
    return new Response(message, { status: 405, headers: { allow: "GET" } });
  }
  const since = new URL(request.url).searchParams.get("since") ?? "0";
  if (!/^\d{1,15}$/.test(since)) {
    return new Response(`Cannot tell stops since "${since}": use ?since=NUMBER\n`, { status: 400 });
  }
  return Response.json(recorder.since(Number(since)));
}
