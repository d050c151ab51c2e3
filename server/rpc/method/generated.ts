/**
 * Messages by the generated code, with errors in the words of the domain.
 *
 * @module
 */

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { invalidArgument } from "../../api/mod.ts";

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
