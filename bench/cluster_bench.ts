/**
 * `deno task bench:cluster`: three nodes as three processes on loopback, every acknowledgement synced on a
 * majority, loaded from this process; etcd beside it in the same run when `etcd` is installed.
 *
 * `duel` are plain puts at both by turns. Flags: `--seconds N` a workload (5), `--only WORD` workloads whose
 * name contains it, `--no-etcd`, `--json`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { PrkDbClient } from "../client/mod.ts";
import { partitionOfKey } from "../proto/mod.ts";
import { ProcessCluster } from "../tests/support/cluster/process_cluster.ts";
import { runDuel } from "./duel.ts";
import { measureFailover } from "./failover.ts";
import { EtcdCluster, etcdGet, etcdPut, etcdVersion } from "./peers/etcd.ts";
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
  const version = flags["no-etcd"] ? undefined : await etcdVersion();
  if (version !== undefined) {
    figures.push(...await benchEtcd(version, say));
    figures.push(...ratios(figures));
    if ("duel".includes(flags.only)) figures.push(...await benchDuel(say));
  }
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
    const figures = await measure(workloads, say);
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

async function benchEtcd(version: string, say: (line: string) => void): Promise<Figure[]> {
  say(`\n${version}, HTTP/JSON gateway, same connections and load`);
  const etcd = await EtcdCluster.start(await Deno.makeTempDir({ prefix: "bench-etcd-" }));
  try {
    const target = etcdTarget(etcd);
    await runPlainLoad(target, { kind: "put", inFlight: 64, seconds: WARM_UP_SECONDS });
    return await measure(plainWorkloads("etcd_plain", target), say);
  } finally {
    await etcd.close();
  }
}

function etcdTarget({ addresses }: EtcdCluster): PlainTarget {
  return { addresses, contentType: "application/json", put: etcdPut, get: etcdGet };
}

/** Both at once, loaded by turns. */
async function benchDuel(say: (line: string) => void): Promise<Figure[]> {
  say("\nprkdb and etcd by turns, plain puts");
  await using cluster = await ProcessCluster.start({ nodes: 3 });
  const etcd = await EtcdCluster.start(await Deno.makeTempDir({ prefix: "bench-etcd-" }));
  try {
    const plain = prkdbTarget(cluster.addresses().map((address) => address.replace("http://", "")));
    const routed = { ...plain, leaderOf: await leadersOf(cluster) };
    return await runDuel({ plain, routed, etcd: etcdTarget(etcd) }, {
      seconds: Number(flags.seconds) / 2,
      say,
    });
  } finally {
    await etcd.close();
  }
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

async function measure(workloads: readonly Workload[], say: (line: string) => void): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, run } of workloads.filter((each) => each.name.includes(flags.only))) {
    const result = await run(Number(flags.seconds));
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
    );
  }
  return figures;
}

/** How many times as fast as etcd, for every workload both have run. */
function ratios(figures: readonly Figure[]): Figure[] {
  const rates = new Map(figures.filter(({ unit }) => unit === "1/s").map(({ name, value }) => [name, value]));
  return [...rates].flatMap(([name, value]) => {
    const own = name.startsWith("etcd_") ? rates.get(name.replace("etcd_", "prkdb_")) : undefined;
    return own === undefined
      ? []
      : [{ name: name.replace("etcd_", "prkdb_vs_etcd_"), value: own / value, unit: "x" }];
  });
}
