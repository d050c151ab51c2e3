/**
 * A unary method as both paths serve it: the lean one hands over bytes and takes bytes, the router hands over
 * a message and takes one. What happens in between is the same function, so the two cannot drift apart.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { DEFAULT_TIMEOUT_MS, TIMEOUT_MS_MAX } from "../../../proto/mod.ts";
import { DomainError, invalidArgument, type NodeCallOptions } from "../../api/mod.ts";

/** What a method is made of. `Result` is the domain's. */
export interface UnaryParts<I extends DescMessage, O extends DescMessage, Result> {
  readonly desc: DescMethodUnary<I, O>;
  /** Validates, translates, asks the node. */
  readonly call: (input: MessageShape<I>, options: NodeCallOptions) => Promise<Result>;
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
  readonly answerBytes: (bytes: Uint8Array, options: NodeCallOptions) => Promise<Uint8Array<ArrayBuffer>>;
  /** From request message to response message; for the router, which knows the types by `desc` only. */
  readonly answerMessage: (
    input: MessageShape<DescMessage>,
    options: NodeCallOptions,
  ) => Promise<MessageInitShape<DescMessage>>;
}

/** Puts a method together. */
export function unaryMethod<I extends DescMessage, O extends DescMessage, Result>(
  parts: UnaryParts<I, O, Result>,
): UnaryMethod {
  const { desc, call, reply } = parts;
  const decode = parts.decode ?? (() => undefined);
  const encode = parts.encode ??
    ((result: Result) => toBinary(desc.output, create(desc.output, reply(result))));
  return {
    name: desc.name,
    path: `/${desc.parent.typeName}/${desc.name}`,
    isSafe: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
    desc,
    answerBytes: async (bytes, options) =>
      encode(await call(decode(bytes) ?? decodeGenerated(desc.input, bytes), options)),
    answerMessage: async (input, options) => {
      const answer: unknown = reply(await call(input as MessageShape<I>, options));
      return answer as MessageInitShape<DescMessage>;
    },
  };
}

/** What a method that this node does not serve yet answers. */
export function notServed(method: string): DomainError {
  const message = `Cannot serve ${method}: this version of the node does not have it`;
  return new DomainError({ kind: "unimplemented" }, message);
}

/** A method that answers `unimplemented`. */
export function unservedMethod(desc: DescMethodUnary): UnaryMethod {
  return unaryMethod({ desc, call: () => Promise.reject(notServed(desc.name)), reply: () => ({}) });
}

/**
 * The options of a call.
 *
 * @param timeoutMs what the caller asked for, from 0; longer than five minutes counts as five minutes
 * @throws {DomainError} `deadline` when no time is left
 */
export function callOptions(timeoutMs: number | undefined, direct: boolean): NodeCallOptions {
  if (timeoutMs === undefined) return direct ? DEFAULT_DIRECT : DEFAULT_FORWARDED;
  if (timeoutMs <= 0) {
    throw new DomainError({ kind: "deadline" }, "Cannot begin: the deadline has passed already");
  }
  return { timeoutMs: Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX), direct };
}

const DEFAULT_DIRECT: NodeCallOptions = { timeoutMs: DEFAULT_TIMEOUT_MS, direct: true };
const DEFAULT_FORWARDED: NodeCallOptions = { timeoutMs: DEFAULT_TIMEOUT_MS, direct: false };

/**
 * A message, by the generated schema.
 *
 * @throws {DomainError} `invalidArgument` if `bytes` are none
 */
export function decodeGenerated<I extends DescMessage>(schema: I, bytes: Uint8Array): MessageShape<I> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalidArgument(`Cannot decode ${schema.typeName}: ${why}`);
  }
}
