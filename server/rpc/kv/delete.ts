/**
 * `Delete`: removes a key.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type DeleteResponseSchema, KvService, type Precondition } from "../../../proto/mod.ts";
import type { Mutation } from "../../kv/mod.ts";
import { defineUnary } from "../method/mod.ts";
import { checkKey, toPrecondition, toRequestId } from "./fields.ts";
import { writeOne, type Written } from "./node_calls.ts";

/** See the module comment; too rare for a decoder of its own. */
export const deleteMethod = defineUnary({
  desc: KvService.method.delete,
  answer: (node) => (message, options) => {
    const mutation = toDeleteMutation(message.key, message.precondition);
    return writeOne(node, mutation, { ...options, requestId: toRequestId(message.requestId) });
  },
  reply: toDeleteResponse,
});

/**
 * A delete, valid; `path` stands before the names of its fields in messages, as `mutations[3].`.
 *
 * @throws {DomainError} `invalidArgument`
 */
export function toDeleteMutation(
  key: Uint8Array,
  precondition: Precondition | undefined,
  path = "",
): Mutation {
  checkKey(key, `${path}key`);
  return { kind: "delete", key, precondition: toPrecondition(precondition, path) };
}

function toDeleteResponse(
  { version, existed, partitionId }: Written,
): MessageInitShape<typeof DeleteResponseSchema> {
  return { existed, version: BigInt(version), partitionId };
}
