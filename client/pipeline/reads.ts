/**
 * How reads speak to nodes: keys joined as one `GetMany`, or one key as `Get`, which alone can bound how old
 * the answer may be. A node fails the whole `GetMany` for one bad partition, so failed batches are read
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
  decodeGet,
  decodeGetMany,
  encodeGet,
  encodeGetMany,
} from "../codec/mod.ts";
import type { Routes, Target } from "../routing/mod.ts";
import type { Exchange } from "./exchange.ts";
import type { PartitionBatch } from "./partition_batch.ts";
import type { Pending } from "./pending.ts";

/** A key whose value is waited for. */
export type PendingRead = Pending<Uint8Array, DecodedEntry>;

const GET_PATH = `/${KvService.typeName}/${KvService.method.get.name}`;
const GET_MANY_PATH = `/${KvService.typeName}/${KvService.method.getMany.name}`;

/** How fresh a read must be, as the contract names it. */
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
    target: (batch) => targetOf(routes, batch, consistency),
    encode: (batches) => {
      const keys = batches.flatMap((batch) => batch.items.map((item) => item.request));
      return encodeGetMany(keys, batches.some(isDamaged) ? ofAnotherReplica(consistency) : consistency);
    },
    settle: (items, response) => {
      const entries = decodeGetMany(response);
      if (entries.length !== items.length) {
        throw new RangeError(`it holds ${entries.length} results for ${items.length} keys`);
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
    target: (batch) => targetOf(routes, batch, mode.consistency),
    encode: ([batch]) => {
      const consistency = isDamaged(batch!) ? ofAnotherReplica(mode.consistency) : mode.consistency;
      return encodeGet(batch!.items[0]!.request, { ...mode, consistency });
    },
    settle: ([item], response) => {
      item!.resolve(decodeGet(response));
      return undefined;
    },
  };
}

function targetOf(routes: Routes, batch: PartitionBatch<PendingRead>, consistency: Consistency): Target {
  if (isDamaged(batch)) {
    return routes.replicaOf(batch.route, { withoutLeader: consistency === "linearizable" });
  }
  if (consistency === "linearizable") return routes.leaderOf(batch.route);
  return routes.replicaOf(batch.route, { withoutLeader: consistency === "follower" });
}

function ofAnotherReplica(consistency: Consistency): Consistency {
  return consistency === "linearizable" ? "follower" : consistency;
}

function isDamaged(batch: PartitionBatch<PendingRead>): boolean {
  return batch.lastFailure?.kind === "damaged";
}
