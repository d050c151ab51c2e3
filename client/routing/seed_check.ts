/**
 * Whether the addresses that a client was given belong to one cluster. Each of two clusters would answer, and
 * chance would decide which of them is written to.
 *
 * Only addresses are asked that the metadata does not name: where all seeds are members, which is usual,
 * nobody is. One that does not answer says nothing; should it be of another cluster and come back later, it
 * refuses every call, because calls say which cluster they mean.
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ClusterService, GetMetadataRequestSchema, GetMetadataResponseSchema } from "../../proto/mod.ts";
import { type ClientClock, PrkDbError, type UnaryCaller } from "../transport/mod.ts";

/** Path of `GetMetadata`. */
export const METADATA_PATH: string = `/${ClusterService.typeName}/${ClusterService.method.getMetadata.name}`;
/** Its request, which says nothing. */
export const METADATA_REQUEST: Uint8Array<ArrayBuffer> = toBinary(
  GetMetadataRequestSchema,
  create(GetMetadataRequestSchema),
);

/** What is checked. */
export interface SeedCheck {
  readonly caller: UnaryCaller;
  readonly clock: ClientClock;
  /** Of the cluster whose metadata is used. */
  readonly clusterId: string;
  /** Given addresses that belong to it. */
  readonly members: readonly string[];
  /** Given addresses of which it is not known. */
  readonly others: readonly string[];
  /** Milliseconds; how long an answer is waited for. */
  readonly limitMs: number;
}

/**
 * Asks `others` which cluster they are of.
 *
 * @throws {PrkDbError} `invalid_argument` when one is of another cluster than `clusterId`
 */
export async function checkSeeds(check: SeedCheck): Promise<void> {
  const { clusterId, members, others } = check;
  const told = await Promise.all(others.map((address) => clusterOf(address, check)));
  const addresses = new Map([[clusterId, [...members]]]);
  for (const [position, id] of told.entries()) {
    // One that is not founded yet belongs to none.
    if (id === undefined || id === "") continue;
    addresses.set(id, [...addresses.get(id) ?? [], others[position]!]);
  }
  if (addresses.size === 1) return;
  const lists = [...addresses].map(([id, list]) => `${list.join(" and ")} to cluster ${id}`);
  throw new PrkDbError(
    "invalid_argument",
    `Cannot connect to ${addresses.size} clusters at once: ${lists.join("; ")}. Name the addresses of one`,
  );
}

/** The id of the cluster that the node at `address` is of; `undefined` when it does not answer as a node. */
async function clusterOf(
  address: string,
  { caller, clock, limitMs }: SeedCheck,
): Promise<string | undefined> {
  const controller = new AbortController();
  let cancel = () => {};
  const limit = new Promise<undefined>((resolve) => cancel = clock.after(limitMs, () => resolve(undefined)));
  const call = caller.call({
    address,
    path: METADATA_PATH,
    body: METADATA_REQUEST,
    timeoutMs: limitMs,
    direct: false,
    clusterId: "",
    readOnly: true,
    signal: controller.signal,
  });
  const told = call.then((body) => fromBinary(GetMetadataResponseSchema, body).clusterId);
  try {
    return await Promise.race([told.catch(() => undefined), limit]);
  } finally {
    cancel();
    controller.abort();
  }
}
