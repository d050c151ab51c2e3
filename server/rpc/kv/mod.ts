/**
 * `prkdb.v1.KvService` on top of a node: reading and writing keys. One file per method holds all there is to
 * it: what is validated, how the message becomes the domain's data, the fast decoder and encoder where there
 * are some, and the answer.
 *
 * **What it owns.** The border between the messages of `proto/prkdb/v1/kv.proto` and the domain, in both
 * directions, and the checks of every limit of that contract: keys of 1 to 4,096 bytes, values up to 1 MiB,
 * batches up to 10,000 mutations and 8 MiB, answers up to 64 MiB. No state: two calls share nothing.
 *
 * **Read in this order.** `fields.ts`: the parts that methods share: keys, values, preconditions, request
 * ids, freshness of reads. Then `put.ts`, the model of the others; `get.ts`; `delete.ts`, `increment.ts`,
 * `get_many.ts`, `write_batch.ts`. `fast_decode.ts`: what the fast decoders share. `node_calls.ts`: how the
 * methods ask the node. This file lists what the service has; methods of the contract that are not there yet
 * (`Scan`, `Transact`, `Watch`) answer `unimplemented`.
 *
 * **To add a method,** describe it in `kv.proto`, write one file beside `put.ts`, and name it in the list. It
 * is served on every way in, measured and tested by the conformance suite from then on.
 *
 * **What it never does.** It asks the node once per call and never retries: what may be tried again is the
 * client's to decide, from the code. It copies no key and no value: they are views of the request's bytes
 * down to the log. It does not know which node leads, how a batch is cut by partition, or HTTP.
 *
 * **Invariants**
 *
 * - Whatever reaches the node is valid; an error names the field, the limit with its number, and what was
 *   there.
 * - 64-bit numbers of the wire become safe integers here, and `bigint` goes no further down.
 * - An input has one meaning: a fast decoder reads what clients normally send, and gives up on unknown,
 *   repeated or broken fields, so that the generated decoder decides.
 * - A fast encoder makes the bytes of the generated one.
 * - Results stand in the order of what was asked, one for each.
 * - A batch of nothing is answered here, without asking the node.
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
import { incrementMethod } from "./increment.ts";
import { putMethod } from "./put.ts";
import { writeBatchMethod } from "./write_batch.ts";

/** The unary methods of `KvService`, served by `node`. */
export function kvMethods(node: NodeApi): readonly UnaryMethod[] {
  return [
    serveUnary(putMethod, node),
    serveUnary(getMethod, node),
    serveUnary(deleteMethod, node),
    serveUnary(incrementMethod, node),
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
