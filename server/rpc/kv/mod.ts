/**
 * `prkdb.v1.KvService`: reading and writing keys. Each method is one file, which validates, translates, asks
 * the node once and makes the answer; where it is hot it also decodes and encodes by hand, and
 * `codec_test.ts` holds that to the generated code. `fields.ts` has the fields that several methods share,
 * `fast_decode.ts` what several decoders share, `node_calls.ts` how a node is asked.
 *
 * The room owns the border between `kv.proto` and the domain, in both directions: generated types and
 * `bigint` go no further down, and what passes is within every limit of the contract. It knows nothing of
 * partitions, leaders and HTTP.
 *
 * A new method is a file beside these and a line below.
 *
 * @module
 */

import { KvService } from "../../../proto/mod.ts";
import type { NodeApi } from "../../api/mod.ts";
import {
  serveStream,
  serveUnary,
  type StreamMethod,
  type UnaryMethod,
  unservedStream,
  unservedUnary,
} from "../method/mod.ts";
import { deleteMethod } from "./delete.ts";
import { getMethod } from "./get.ts";
import { getManyMethod } from "./get_many.ts";
import { putMethod } from "./put.ts";
import { writeBatchMethod } from "./write_batch.ts";

/** The unary methods of `KvService`, served by `node`. */
export function kvMethods(node: NodeApi): readonly UnaryMethod[] {
  return [
    serveUnary(putMethod, node),
    serveUnary(getMethod, node),
    serveUnary(deleteMethod, node),
    serveUnary(getManyMethod, node),
    serveUnary(writeBatchMethod, node),
    serveUnary(unservedUnary(KvService.method.transact), node),
  ];
}

/** The streams of `KvService`, served by `node`. */
export function kvStreams(node: NodeApi): readonly StreamMethod[] {
  return [
    serveStream(unservedStream(KvService.method.scan), node),
    serveStream(unservedStream(KvService.method.watch), node),
  ];
}
