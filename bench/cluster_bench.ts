/**
 * `deno task bench:cluster`: three nodes as three processes on loopback, every acknowledgement synced on a
 * majority, loaded from this process.
 *
 * The workloads whose names begin with `duel` ask prkdb and etcd by turns, when `etcd` is installed, through
 * one and the same gRPC client. Flags: `--seconds N` a workload or turn (5), `--rounds N` of turns (5),
 * `--only WORD` workloads whose name contains it, `--no-etcd`, `--json`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { PrkDbClient } from "../client/mod.ts";
import { partitionOfKey } from "../proto/mod.ts";
import { ProcessCluster } from "../tests/support/cluster/process_cluster.ts";
import { type Contender, etcdGrpc, etcdJson, prkdbConnect, prkdbGrpc } from "./contenders.ts";
import { COMPARISONS, runDuel } from "./duel.ts";
import { measureFailover } from "./failover.ts";
import { EtcdCluster, etcdVersion } from "./peers/etcd.ts";
import { processorSecondsOf } from "./machine.ts";
import { type PlainTarget, prkdbTarget, runPlainLoad } from "./plain_load.ts";
import { type Figure, machine, printFigures, rounded } from "./report.ts";
import { type LoadResult, randomKey, runClosedLoop, VALUE } from "./workload.ts";

const WARM_UP_SECONDS = 2;
const PLAIN_IN_FLIGHT = [1, 16, 64, 256, 1_000];
const SMART_IN_FLIGHT = 1_000;
const BATCH_CALLS_IN_FLIGHT = 8;
const GET_MANY_IN_FLIGHT = 4;

/** A named measurement; `run` gives its figures. */
interface Workload {
  readonly name: string;
  readonly run: (seconds: number) => Promise<LoadResult>;
}

const { values: flags } = parseArgs({
  args: Deno.args,
  options: {
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "5" },
    only: { type: "string", default: "" },
    "no-etcd": { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

await main();

async function main(): Promise<void> {
  const say = flags.json ? () => {} : console.log;
  say(`${machine()}; three nodes and the load on it; --wal-sync always; 16 B keys, 100 B values`);
  const figures = await benchPrkdb(say);
  figures.push(...await benchDuel(say));
  say("");
  printFigures(figures, flags.json);
}

async function benchPrkdb(say: (line: string) => void): Promise<Figure[]> {
  const cluster = await ProcessCluster.start({ nodes: 3 });
  const addresses = cluster.addresses();
  const client = await PrkDbClient.connect(addresses);
  try {
    const target = prkdbTarget(addresses.map((address) => address.replace("http://", "")));
    await runClosedLoop({
      inFlight: 100,
      seconds: WARM_UP_SECONDS,
      call: () => client.put(randomKey(), VALUE),
    });
    const routed = { ...target, leaderOf: await leadersOf(cluster) };
    const workloads = [
      ...plainWorkloads("prkdb_plain", target),
      ...plainWorkloads("prkdb_routed", routed).filter(({ name }) => name.endsWith("_256")),
      ...smartWorkloads(client),
    ];
    const figures = await measure(workloads, say, () => processorSeconds(cluster));
    if ("prkdb_failover".includes(flags.only)) {
      const failoverMs = await measureFailover(cluster, client);
      say(`prkdb_failover: every key writable ${rounded(failoverMs)} ms after kill -9`);
      figures.push({ name: "prkdb_failover", value: failoverMs, unit: "ms" });
    }
    return figures;
  } finally {
    await client.close();
    await cluster.close();
  }
}

/** Both at once, loaded by turns; prkdb alone if there is no etcd. */
async function benchDuel(say: (line: string) => void): Promise<Figure[]> {
  const comparisons = COMPARISONS.filter(({ name }) => `duel_${name}`.includes(flags.only));
  if (comparisons.length === 0) return [];
  const version = flags["no-etcd"] ? undefined : await etcdVersion();
  say(`\nby turns, over gRPC unless said: prkdb${version === undefined ? "" : ` and ${version}`}`);
  await using cluster = await ProcessCluster.start({ nodes: 3 });
  const etcd = version === undefined
    ? undefined
    : await EtcdCluster.start(await Deno.makeTempDir({ prefix: "bench-etcd-" }));
  try {
    const plan = {
      rounds: Math.max(1, Number(flags.rounds)),
      seconds: Number(flags.seconds),
      serverSeconds: () => processorSeconds(cluster) + (etcd?.processorSeconds() ?? 0),
      say,
    };
    return await runDuel(await contendersOf(cluster, etcd), comparisons, plan);
  } finally {
    await etcd?.close();
  }
}

async function contendersOf(
  cluster: ProcessCluster,
  etcd: EtcdCluster | undefined,
): Promise<ReadonlyMap<string, Contender>> {
  const addresses = cluster.addresses().map((address) => address.replace("http://", ""));
  const place = { addresses, processorSeconds: () => processorSeconds(cluster) };
  const contenders = [
    prkdbGrpc("prkdb", place),
    prkdbGrpc("prkdb_routed", { ...place, leaderOf: await leadersOf(cluster) }),
    prkdbConnect("prkdb_connect", place),
    ...(etcd === undefined ? [] : [etcdGrpc("etcd", etcd), etcdJson("etcd_json", etcd)]),
  ];
  return new Map(contenders.map((each) => [each.name, each]));
}

function processorSeconds(cluster: ProcessCluster): number {
  return cluster.ids.reduce((sum, id) => sum + processorSecondsOf(cluster.process(id).pid), 0);
}

/** The leader of each key now, as any client can learn it. */
async function leadersOf(cluster: ProcessCluster): Promise<(key: string) => string> {
  const { nodes, partitions } = await cluster.metadata();
  const addresses = new Map(nodes.map(({ nodeId, address }) => [nodeId, address]));
  const leaders = partitions.map(({ leaderId }) => addresses.get(leaderId) ?? "");
  const encoder = new TextEncoder();
  return (key) => leaders[partitionOfKey(encoder.encode(key), leaders.length)]!;
}

/** `name`_put_16 and so on. */
function plainWorkloads(name: string, target: PlainTarget): Workload[] {
  return (["put", "get"] as const).flatMap((kind) =>
    PLAIN_IN_FLIGHT.map((inFlight) => ({
      name: `${name}_${kind}_${inFlight}`,
      run: (seconds: number) => runPlainLoad(target, { kind, inFlight, seconds }),
    }))
  );
}

function smartWorkloads(client: PrkDbClient): Workload[] {
  const keys = (count: number) => Array.from({ length: count }, randomKey);
  const puts = (count: number) => keys(count).map((key) => ({ kind: "put" as const, key, value: VALUE }));
  const joined = (name: string, call: () => Promise<unknown>): Workload => ({
    name,
    run: (seconds) => runClosedLoop({ inFlight: SMART_IN_FLIGHT, seconds, call }),
  });
  return [
    joined(`prkdb_smart_put_${SMART_IN_FLIGHT}`, () => client.put(randomKey(), VALUE)),
    ...[100, 500, 1_000].map((itemsPerCall) => ({
      name: `prkdb_batch_${itemsPerCall}`,
      run: (seconds: number) =>
        runClosedLoop({
          inFlight: BATCH_CALLS_IN_FLIGHT,
          seconds,
          itemsPerCall,
          call: () => client.writeBatch(puts(itemsPerCall)),
        }),
    })),
    joined(`prkdb_smart_get_${SMART_IN_FLIGHT}`, () => client.get(randomKey())),
    ...[10, 100, 1_000].map((itemsPerCall) => ({
      name: `prkdb_get_many_${itemsPerCall}`,
      run: (seconds: number) =>
        runClosedLoop({
          inFlight: GET_MANY_IN_FLIGHT,
          seconds,
          itemsPerCall,
          call: () => client.getMany(keys(itemsPerCall)),
        }),
    })),
  ];
}

/** @param usedSeconds what the nodes have used so far */
async function measure(
  workloads: readonly Workload[],
  say: (line: string) => void,
  usedSeconds: () => number,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, run } of workloads.filter((each) => each.name.includes(flags.only))) {
    const usedBefore = usedSeconds();
    const result = await run(Number(flags.seconds));
    const used = usedSeconds() - usedBefore;
    say(
      `${name.padEnd(24)} ${rounded(result.perSecond).padStart(8)} /s   mean ${
        rounded(result.meanMs)
      } ms   ` +
        `p50 ${rounded(result.p50Ms)} ms   p99 ${rounded(result.p99Ms)} ms   ${result.errors} errors`,
    );
    figures.push(
      { name, value: result.perSecond, unit: "1/s" },
      { name: `${name}_mean`, value: result.meanMs, unit: "ms" },
      { name: `${name}_p50`, value: result.p50Ms, unit: "ms" },
      { name: `${name}_p99`, value: result.p99Ms, unit: "ms" },
      { name: `${name}_errors`, value: result.errors, unit: "calls" },
      { name: `${name}_processor`, value: used / result.calls * 1e6, unit: "us" },
    );
  }
  return figures;
}
