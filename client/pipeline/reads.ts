/**
 * How reads speak to nodes: keys joined as one `GetMany`, or one key as `Get`, which alone can bound how old
 * the answer may be. A node fails the whole `GetMany` for one bad partition, so failed parts are asked for
 * one by one.
 *
 * A read that meets damaged data is asked of another replica, as a follower read: it is linearizable too and
 * is served from that replica's own copy.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import {
  type Consistency,
  type DecodedEntry,
  decodeGetManyResponse,
  decodeGetResponse,
  encodeGetManyRequest,
  encodeGetRequest,
} from "../codec/mod.ts";
import type { Routes, Target } from "../routing/mod.ts";
import type { Exchange } from "./dispatcher.ts";
import type { PartitionBatch } from "./partition_batch.ts";
import type { Pending } from "./pending.ts";

/** A key that somebody waits for. */
export type PendingRead = Pending<Uint8Array, DecodedEntry>;

const GET_PATH = `/${KvService.typeName}/${KvService.method.get.name}`;
const GET_MANY_PATH = `/${KvService.typeName}/${KvService.method.getMany.name}`;

/** How fresh a read must be, in the words of the contract. */
export interface ReadMode {
  readonly consistency: Consistency;
  /** With `stale`: milliseconds, 0 for any age. */
  readonly maxStalenessMs: number;
}

/** Keys of any partitions, joined; all under one consistency without a bound of age. */
export function getManyExchange(routes: Routes, consistency: Consistency): Exchange<PendingRead> {
  return {
    path: GET_MANY_PATH,
    readOnly: true,
    splitOnRetry: true,
    toLeader: consistency === "linearizable",
    target: (part) => targetOf(routes, part, consistency),
    encode: (parts) => {
      const keys = parts.flatMap((part) => part.items.map((item) => item.request));
      return encodeGetManyRequest(keys, parts.some(isDamaged) ? ofAnotherReplica(consistency) : consistency);
    },
    settle: (items, response) => {
      const entries = decodeGetManyResponse(response);
      if (entries.length !== items.length) {
        throw new RangeError(`It holds ${entries.length} results for ${items.length} keys`);
      }
      for (const [position, entry] of entries.entries()) items[position]!.resolve(entry);
      return undefined;
    },
  };
}

/** One key as a call of its own. */
export function getExchange(routes: Routes, mode: ReadMode): Exchange<PendingRead> {
  return {
    path: GET_PATH,
    readOnly: true,
    splitOnRetry: true,
    toLeader: mode.consistency === "linearizable",
    target: (part) => targetOf(routes, part, mode.consistency),
    encode: ([part]) => {
      const consistency = isDamaged(part!) ? ofAnotherReplica(mode.consistency) : mode.consistency;
      return encodeGetRequest(part!.items[0]!.request, { ...mode, consistency });
    },
    settle: ([item], response) => {
      item!.resolve(decodeGetResponse(response));
      return undefined;
    },
  };
}

function targetOf(routes: Routes, part: PartitionBatch<PendingRead>, consistency: Consistency): Target {
  if (isDamaged(part)) return routes.replicaOf(part.route, { withoutLeader: consistency === "linearizable" });
  if (consistency === "linearizable") return routes.leaderOf(part.route);
  return routes.replicaOf(part.route, { withoutLeader: consistency === "follower" });
}

function ofAnotherReplica(consistency: Consistency): Consistency {
  return consistency === "linearizable" ? "follower" : consistency;
}

function isDamaged(part: PartitionBatch<PendingRead>): boolean {
  return part.lastFailure?.kind === "damaged";
}
