/**
 * Methods of the contract that this version of the node does not have yet: they answer `unimplemented`, so
 * that a caller can tell them from a path that is wrong.
 *
 * @module
 */

import type { DescMessage, DescMethodServerStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { DomainError } from "../../api/mod.ts";
import { defineStream, type StreamDefinition } from "./stream.ts";
import { defineUnary, type UnaryDefinition } from "./unary.ts";

/** A method that answers `unimplemented`. */
export function unservedUnary<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
): UnaryDefinition<I, O, never> {
  return defineUnary({
    desc,
    answer: () => () => Promise.reject(notServed(desc.name)),
    reply: (nothing: never) => nothing,
  });
}

/** A stream that answers `unimplemented`. */
export function unservedStream<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodServerStreaming<I, O>,
): StreamDefinition<I, O, never> {
  return defineStream({
    desc,
    answer: () =>
      // deno-lint-ignore require-yield -- A stream that fails before its first message.
      async function* () {
        throw notServed(desc.name);
      },
    reply: (nothing: never) => nothing,
  });
}

function notServed(method: string): DomainError {
  return new DomainError(
    { kind: "unimplemented" },
    `Cannot serve ${method}: this version of the node does not have it yet`,
  );
}
