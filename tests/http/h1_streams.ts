/**
 * Streamed handlers for tests: they collect what they are given, and hold back or answer as they are told.
 *
 * @module
 */

import type { AnswerStream, HeaderPairs, HttpRouter, RequestHead } from "../../server/http/mod.ts";
import { utf8Bytes } from "./scripted_channel.ts";

/** What the handlers of {@linkcode collecting} do. */
export interface CollectingOptions {
  /** Whether they answer before they have seen anything of the body. */
  readonly isEarly?: boolean;
  /** Whether every piece is held back until `goOn`. */
  readonly isHolding?: boolean;
}

/** A router whose requests are answered with status 200 and nothing, when their body is complete. */
export function collecting({ isEarly = false, isHolding = false }: CollectingOptions = {}) {
  const pieces: string[] = [];
  const bodies: string[] = [];
  const reasons: unknown[] = [];
  let goOn: (() => void) | undefined;
  const finish = (answer: AnswerStream) => {
    answer.start(200, []);
    answer.end();
  };
  const router: HttpRouter = {
    route: () => ({
      kind: "stream",
      isPatient: false,
      open: (_head, answer) => {
        let body = "";
        if (isEarly) finish(answer);
        return {
          chunk: (bytes) => {
            const text = String.fromCharCode(...bytes);
            pieces.push(text);
            body += text;
            return isHolding ? new Promise<void>((resolve) => goOn = resolve) : undefined;
          },
          end: () => {
            bodies.push(body);
            finish(answer);
          },
          abort: (reason) => void reasons.push(reason),
        };
      },
    }),
  };
  return { router, pieces, bodies, reasons, goOn: () => goOn?.() };
}

/** A streamed request that a test answers by hand. */
export interface HandledStream {
  readonly head: RequestHead;
  readonly answer: AnswerStream;
  /** Why the caller left, if it did. */
  reason: unknown;
  isBodyComplete: boolean;
}

/** A router that leaves the answering to the test. */
export function handled({ isPatient = false } = {}) {
  const streams: HandledStream[] = [];
  const router: HttpRouter = {
    route: () => ({
      kind: "stream",
      isPatient,
      open: (head, answer) => {
        const stream: HandledStream = { head, answer, reason: undefined, isBodyComplete: false };
        streams.push(stream);
        return {
          chunk: () => {},
          end: () => void (stream.isBodyComplete = true),
          abort: (reason) => void (stream.reason = reason),
        };
      },
    }),
  };
  return { router, streams };
}

/** Answers with `parts` one after the other. */
export function answerInParts(answer: AnswerStream, headers: HeaderPairs, ...parts: readonly string[]): void {
  answer.start(200, headers);
  for (const part of parts) void answer.write(utf8Bytes(part));
  answer.end();
}
