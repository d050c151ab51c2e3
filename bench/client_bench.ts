/**
 * `deno task bench:client`: what the smart client itself costs, with a cluster that costs nothing behind it.
 * The node is a function in this process that answers every batch with a prepared response of the right
 * length, so what remains is the client: argument checks, routing, joining, encoding, decoding and promises.
 *
 * Flags: `--seconds N` a workload (3), `--json`.
 *
 * @module
 */

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import process from "node:process";
import { parseArgs } from "node:util";
import { PrkDbClient } from "../client/mod.ts";
import type { UnaryCaller } from "../client/transport/caller.ts";
import {
  GetManyResponseSchema,
  GetMetadataResponseSchema,
  HASH_SPACE,
  hashRangeStart,
  WriteBatchResponseSchema,
} from "../proto/mod.ts";
import { type Figure, machine, printFigures } from "./report.ts";
import { type LoadResult, randomKey, runClosedLoop, VALUE } from "./workload.ts";

const NODES = [1, 2, 3];
const PARTITION_COUNT = 9;
const IN_FLIGHT = 1_000;
const BATCH_CALLS_IN_FLIGHT = 4;
const BATCH_KEYS = 500;
/** A version of seven digits, as after some weeks of writing. */
const VERSION = 1_234_567n;
/** Tag of field 1 as bytes: a mutation of a batch, a key of a read. */
const ITEM_TAG = 0x0a;

const { values: flags } = parseArgs({
  args: Deno.args,
  options: { seconds: { type: "string", default: "3" }, json: { type: "boolean", default: false } },
});

await main();

async function main(): Promise<void> {
  const client = await PrkDbClient.withTransport(freeCluster());
  const keys = Array.from({ length: BATCH_KEYS }, randomKey);
  const mutations = keys.map((key) => ({ kind: "put", key, value: VALUE }) as const);
  const figures = [
    ...await measure("client_put", { inFlight: IN_FLIGHT, call: () => client.put(randomKey(), VALUE) }),
    ...await measure("client_get", { inFlight: IN_FLIGHT, call: () => client.get(randomKey()) }),
    ...await measure("client_lone_put", { inFlight: 1, call: () => client.put(randomKey(), VALUE) }),
    ...await measure("client_batch", {
      inFlight: BATCH_CALLS_IN_FLIGHT,
      itemsPerCall: BATCH_KEYS,
      call: () => client.writeBatch(mutations),
    }),
    ...await measure("client_get_many", {
      inFlight: BATCH_CALLS_IN_FLIGHT,
      itemsPerCall: BATCH_KEYS,
      call: () => client.getMany(keys),
    }),
  ];
  if (!flags.json) {
    console.log(`${machine()}; a cluster that costs nothing, 16 B keys, ${VALUE.length} B values`);
  }
  printFigures(figures, flags.json);
}

interface Workload {
  readonly inFlight: number;
  readonly itemsPerCall?: number;
  readonly call: () => Promise<unknown>;
}

async function measure(name: string, workload: Workload): Promise<readonly Figure[]> {
  const load = (seconds: number): Promise<LoadResult> => runClosedLoop({ ...workload, seconds });
  await load(1);
  const before = process.cpuUsage();
  const seconds = Number(flags.seconds);
  const { perSecond } = await load(seconds);
  const { user, system } = process.cpuUsage(before);
  return [
    { name: `${name}_rate`, value: perSecond, unit: "items/s" },
    { name: `${name}_cpu`, value: (user + system) / (perSecond * seconds), unit: "us/item" },
  ];
}

/** Answers whatever it is asked, without looking at more than the number of items. */
function freeCluster(): UnaryCaller {
  const metadata = toBinary(GetMetadataResponseSchema, create(GetMetadataResponseSchema, metadataInit()));
  const writes = prepared(
    WriteBatchResponseSchema,
    (count) => ({ results: filled(count, { version: VERSION }) }),
  );
  const reads = prepared(
    GetManyResponseSchema,
    (count) => ({ results: filled(count, { version: VERSION, value: VALUE }) }),
  );
  return {
    call({ path, body }) {
      if (path.endsWith("GetMetadata")) return Promise.resolve(metadata);
      return Promise.resolve((path.endsWith("GetMany") ? reads : writes)(countItems(body)));
    },
  };
}

/** Responses by the number of their items, each made once. */
function prepared<Desc extends DescMessage>(
  schema: Desc,
  init: (count: number) => MessageInitShape<Desc>,
): (count: number) => Uint8Array {
  const made = new Map<number, Uint8Array>();
  return (count) => {
    let response = made.get(count);
    if (response === undefined) made.set(count, response = toBinary(schema, create(schema, init(count))));
    return response;
  };
}

function filled<Item>(count: number, item: Item): Item[] {
  return new Array<Item>(count).fill(item);
}

function metadataInit(): MessageInitShape<typeof GetMetadataResponseSchema> {
  return {
    clusterId: "free",
    epoch: 1n,
    nodes: NODES.map((nodeId) => ({ nodeId, address: `node-${nodeId}:1` })),
    partitions: Array.from({ length: PARTITION_COUNT }, (_, position) => ({
      partitionId: position,
      hashStart: hashRangeStart(position, PARTITION_COUNT),
      hashEnd: BigInt(
        position + 1 < PARTITION_COUNT ? hashRangeStart(position + 1, PARTITION_COUNT) : HASH_SPACE,
      ),
      leaderId: NODES[position % NODES.length]!,
      term: 1n,
      replicas: NODES,
    })),
  };
}

/** How many fields number 1 stand in `body`; every field of these requests is length-delimited. */
function countItems(body: Uint8Array): number {
  let count = 0;
  for (let position = 0; position < body.length;) {
    if (body[position] === ITEM_TAG) count++;
    let length = 0;
    let scale = 1;
    let byte: number;
    do {
      byte = body[++position]!;
      length += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    position += 1 + length;
  }
  return count;
}
