/**
 * Answers that a connection gives itself, when a limit or the form of a request leaves nothing to ask a
 * handler.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { errorText, type WholeAnswer } from "../mod.ts";

const logger = getLogger(["prkdb", "server"]);
const encoder = new TextEncoder();
const TYPE = ["content-type", "text/plain; charset=utf-8"] as const;
/** Seconds after which a caller may find room. */
const RETRY = ["retry-after", "1"] as const;

/** A line of text with this status. */
export function textAnswer(status: number, text: string): WholeAnswer {
  return { status, headers: [TYPE], body: encoder.encode(`${text}\n`) };
}

/** There is no room for a head that comes in parts. */
export const NO_ROOM_FOR_HEAD: WholeAnswer = {
  ...textAnswer(503, "Cannot take the head: requests under way fill their share of memory: try again later"),
  headers: [TYPE, RETRY],
};

/** There is no room for an answer. */
export const NO_ROOM_FOR_ANSWER: WholeAnswer = {
  ...textAnswer(503, "Cannot send the answer: unread answers fill their share of memory: try again later"),
  headers: [TYPE, RETRY],
};

/** A connection is closed because of what a handler has answered, or a mistake of ours: a line tells it. */
export function logBrokenConnection(error: unknown): void {
  logger.error("An HTTP/1.1 connection failed unexpectedly: {error}", { error: errorText(error) });
}

/** The head did not come in time. */
export function headTooLate(limitMs: number): WholeAnswer {
  return textAnswer(408, `Cannot wait for the rest of the head: it may take ${limitMs} ms: send it at once`);
}

/** The body made no progress. */
export function bodyTooLate({ bytes, ms }: { readonly bytes: number; readonly ms: number }): WholeAnswer {
  const text = `Cannot wait for the rest of the body: ${bytes} bytes of it must come within ${ms} ms: ` +
    "send it faster, or in several requests";
  return textAnswer(408, text);
}
