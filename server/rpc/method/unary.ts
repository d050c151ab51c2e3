/**
 * A unary method: how it is defined, one file each in `rpc/kv/` and `rpc/cluster/`, and how it is served on
 * both paths. The fast path hands over bytes and takes bytes, the router hands over a message and takes one.
 * What happens in between is the same function, so the two cannot drift apart.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { NodeApi } from "../../api/mod.ts";
import type { MethodOptions } from "./answer_lease.ts";
import { decodeGenerated } from "./generated.ts";

/** What a method is made of. `Result` is the domain's. */
export interface UnaryDefinition<I extends DescMessage, O extends DescMessage, Result> {
  readonly desc: DescMethodUnary<I, O>;
  /** Given a node, the function that validates, translates and asks it. */
  readonly answer: (node: NodeApi) => (message: MessageShape<I>, options: MethodOptions) => Promise<Result>;
  readonly reply: (result: Result) => MessageInitShape<O>;
  /**
   * The generated decoder unless given; a faster one gives up with `undefined`, and the generated one
   * decides.
   */
  readonly decode?: (bytes: Uint8Array) => MessageShape<I> | undefined;
  /** Makes the same bytes as the generated encoder does of `reply`, faster. */
  readonly encode?: (result: Result) => Uint8Array<ArrayBuffer>;
}

/** A method, ready to be served. */
export interface UnaryMethod {
  /** As in `Put`; the label of its metrics. */
  readonly name: string;
  /** As in `/prkdb.v1.KvService/Put`. */
  readonly path: string;
  /** Whether it may be called with GET. */
  readonly isSafe: boolean;
  readonly desc: DescMethodUnary;
  /**
   * From request bytes to response bytes.
   *
   * @throws {DomainError} as the service's contract says
   */
  readonly answerBytes: (bytes: Uint8Array, options: MethodOptions) => Promise<Uint8Array<ArrayBuffer>>;
  /** From request message to response message; for the router, which knows the types by `desc` only. */
  readonly answerMessage: (
    input: MessageShape<DescMessage>,
    options: MethodOptions,
  ) => Promise<MessageInitShape<DescMessage>>;
}

/** A definition as it is, its types inferred. */
export function defineUnary<I extends DescMessage, O extends DescMessage, Result>(
  definition: UnaryDefinition<I, O, Result>,
): UnaryDefinition<I, O, Result> {
  return definition;
}

/** The method, answered by `node`. */
export function serveUnary<I extends DescMessage, O extends DescMessage, Result>(
  definition: UnaryDefinition<I, O, Result>,
  node: NodeApi,
): UnaryMethod {
  const { desc, reply } = definition;
  const answer = definition.answer(node);
  const decode = definition.decode ?? (() => undefined);
  const encode = definition.encode ??
    ((result: Result) => toBinary(desc.output, create(desc.output, reply(result))));
  return {
    name: desc.name,
    path: `/${desc.parent.typeName}/${desc.name}`,
    isSafe: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    desc,
    answerBytes: async (bytes, options) =>
      encode(await answer(decode(bytes) ?? decodeGenerated(desc.input, bytes), options)),
    answerMessage: async (input, options) => {
      const message: unknown = reply(await answer(input as MessageShape<I>, options));
      return message as MessageInitShape<DescMessage>;
    },
  };
}
