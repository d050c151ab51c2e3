/**
 * Backups of real clusters, by the command as a user gives it: taken while the cluster is written to, added
 * to, killed, taken from a cluster that loses a leader meanwhile, damaged, and restored into a cluster of
 * another size.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { assert, suite } from "../harness.ts";
import { runCommandProcess, type RunningCommand, startCommand } from "../support/cluster/cli_process.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { eventually, PATIENCE_MS, pause } from "../support/patience.ts";

const PARTITIONS = 3;
const KEYS = 6_000;
const VALUE_BYTES = 300;
const LIVE_KEYS = 20;
const BATCH = 1_000;
const HOUR_MS = 3_600_000;
/** Leaders may change on a busy machine, and then everything is copied. */
const INCREMENTS_MAX = 20;
const KILLS_MAX = 20;

const test = suite("backup by command");
const folder = Deno.makeTempDirSync({ prefix: "prkdb-backup-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));
let directories = 0;
const newDirectory = () => `${folder}/${++directories}`;

function clientOf(cluster: ProcessCluster): Promise<PrkDbClient> {
  return PrkDbClient.connect(cluster.addresses(), { timeoutMs: PATIENCE_MS });
}

/** Runs a command that must succeed, and returns what it said as JSON. */
async function succeed(cluster: ProcessCluster | undefined, ...args: readonly string[]) {
  const addresses = cluster === undefined ? [] : ["-a", cluster.addresses().join(",")];
  const { code, error, output } = await runCommandProcess([...addresses, "--json", ...args]);
  assert.is(code, 0, error + output);
  return JSON.parse(output);
}

async function writeAll(client: PrkDbClient, values: ReadonlyMap<string, string>): Promise<void> {
  const entries = [...values];
  for (let at = 0; at < entries.length; at += BATCH) {
    const batch = entries.slice(at, at + BATCH).map(([key, value]) => ({ kind: "put", key, value }) as const);
    const results = await client.writeBatch(batch);
    assert.ok(results.every(({ kind }) => kind === "applied"));
  }
}

async function mustHold(client: PrkDbClient, values: ReadonlyMap<string, string>): Promise<void> {
  const keys = [...values.keys()];
  for (let at = 0; at < keys.length; at += BATCH) {
    const some = keys.slice(at, at + BATCH);
    const found = await client.getMany(some);
    const wrong = some.filter((key, nth) =>
      found[nth] === undefined || new TextDecoder().decode(found[nth]) !== values.get(key)
    );
    assert.equal(wrong.slice(0, 5), []);
  }
}

function cargo(name: string, count: number): Map<string, string> {
  return new Map(
    Array.from(
      { length: count },
      (_, at) => [`${name}-${at}`, `${name} ${at} `.padEnd(VALUE_BYTES, String(at))],
    ),
  );
}

/** Writes ever higher numbers to some keys until it is stopped, and knows which are acknowledged. */
class LiveWriter {
  readonly acknowledged = new Map<string, number>();
  readonly begun = new Map<string, number>();
  #isStopped = false;
  readonly #ended: Promise<unknown>;

  constructor(client: PrkDbClient) {
    this.#ended = Promise.all(Array.from({ length: LIVE_KEYS }, (_, at) => this.#run(client, `live-${at}`)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #run(client: PrkDbClient, key: string): Promise<void> {
    for (let number = 1; !this.#isStopped; number++) {
      this.begun.set(key, number);
      await client.put(key, String(number));
      this.acknowledged.set(key, number);
    }
  }
}

test("a backup under load is added to, verified, damaged, and restored into a cluster of another size", async () => {
  const directory = newDirectory();
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS });
  await using client = await clientOf(cluster);
  const values = cargo("first", KEYS);
  await writeAll(client, values);
  await client.put("with ttl", "x", { ttlMs: HOUR_MS });
  const writer = new LiveWriter(client);
  while (writer.acknowledged.size < LIVE_KEYS) await pause(10);
  const first = await succeed(cluster, "backup", directory);
  assert.is(first.copiedFiles, first.files);
  assert.ok(first.files >= PARTITIONS);
  let before = new Map(writer.acknowledged);
  for (let round = 0;; round++) {
    const more = cargo(`more-${round}`, 50);
    await writeAll(client, more);
    for (const [key, value] of more) values.set(key, value);
    before = new Map(writer.acknowledged);
    const next = await succeed(cluster, "backup", directory);
    if (next.copiedBytes < next.bytes / 2 && next.copiedFiles < next.files) break;
    assert.ok(round < INCREMENTS_MAX, `everything is copied: ${JSON.stringify(next)}`);
  }
  const after = new Map(writer.begun);
  await writer.stop();
  assert.equal((await succeed(undefined, "verify", directory, "--all")).problems, []);

  await using smaller = await ProcessCluster.start({ nodes: 1, partitions: 7 });
  const { keys } = await succeed(smaller, "restore", directory);
  assert.is(keys, values.size + LIVE_KEYS + 1);
  await using reader = await clientOf(smaller);
  await mustHold(reader, values);
  for (const [key, least] of before) {
    const found = Number(await reader.getText(key));
    assert.ok(
      found >= least && found <= after.get(key)!,
      `${key}: ${found} of ${least} to ${after.get(key)}`,
    );
  }
  const { expiresAtMs } = (await reader.getEntry("with ttl"))!;
  assert.ok(expiresAtMs! > Date.now() && expiresAtMs! <= Date.now() + HOUR_MS);
  const refused = await runCommandProcess(["-a", smaller.addresses()[0]!, "restore", directory]);
  assert.is(refused.code, 1);
  assert.match(refused.error, /it is not empty/);

  const [table] = [...Deno.readDirSync(`${directory}/tables`)];
  const path = `${directory}/tables/${table!.name}`;
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const damaged = await runCommandProcess(["verify", directory, "--all"]);
  assert.is(damaged.code, 1);
  assert.ok(damaged.output.includes(path), damaged.output);
});

test("a backup that is killed in the middle is run again", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: PARTITIONS });
  await using client = await clientOf(cluster);
  const values = cargo("killed", 4 * KEYS);
  await writeAll(client, values);
  let directory = "";
  for (let kills = 0;; kills++) {
    directory = newDirectory();
    const command = startCommand(["-a", cluster.addresses()[0]!, "backup", directory]);
    await untilTable(directory, command);
    command.kill();
    await command.ended;
    if (namesIn(directory).every((name) => !name.endsWith(".json"))) break;
    assert.ok(kills < KILLS_MAX, "it is never killed in the middle");
  }
  assert.is((await runCommandProcess(["verify", directory])).code, 1, "there is no backup yet");
  const made = await succeed(cluster, "backup", directory);
  assert.ok(made.copiedFiles < made.files, "what had come is used");
  assert.equal((await succeed(undefined, "verify", directory)).problems, []);
  await using other = await ProcessCluster.start({ nodes: 1, partitions: PARTITIONS });
  assert.is((await succeed(other, "restore", directory)).keys, values.size);
  await using reader = await clientOf(other);
  await mustHold(reader, values);
});

test("a backup goes on with the next leader when one dies", async () => {
  const directory = newDirectory();
  await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS });
  await using client = await clientOf(cluster);
  const values = cargo("led", 2 * KEYS);
  await writeAll(client, values);
  const { partitions } = await client.metadata();
  const victim = partitions[PARTITIONS - 1]!.leaderId;
  const survivors = cluster.ids.filter((id) => id !== victim).map((id) => cluster.address(id)).join(",");
  const command = startCommand(["-a", survivors, "--json", "backup", directory]);
  await untilTable(directory, command);
  await cluster.kill(victim, "SIGKILL");
  const { code, error } = await command.ended;
  assert.is(code, 0, error);
  assert.equal((await succeed(undefined, "verify", directory)).problems, []);
  await using other = await ProcessCluster.start({ nodes: 1, partitions: 1 });
  assert.is((await succeed(other, "restore", directory)).keys, values.size);
});

test("a new cluster begins with the tables of a backup, above its versions, and grows", async () => {
  const directory = newDirectory();
  const values = cargo("moved", KEYS);
  let [highest, clusterId] = [0, ""];
  {
    await using cluster = await ProcessCluster.start({ nodes: 3, partitions: PARTITIONS });
    await using client = await clientOf(cluster);
    await writeAll(client, values);
    for (let at = 0; at < 100; at++) {
      highest = Math.max(highest, (await client.put("again", String(at))).version);
    }
    values.set("again", "99");
    ({ clusterId } = await succeed(cluster, "backup", directory));
  }
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: PARTITIONS });
  await cluster.kill(1, "SIGTERM");
  const data = cluster.dataDirectory(1);
  Deno.removeSync(data, { recursive: true });
  await succeed(undefined, "restore", directory, "--data", data);
  await cluster.restart(1);
  await cluster.waitReady();
  await cluster.join(2, 1);
  await cluster.join(3, 1);
  await using client = await clientOf(cluster);
  assert.is.not((await client.metadata()).clusterId, clusterId);
  await mustHold(client, values);
  while ((await client.metadata()).partitions.some(({ replicas }) => replicas.length < 3)) await pause(50);
  await eventually(async () => {
    assert.ok((await client.cluster.changes()).every(({ isFinished }) => isFinished));
  });
  await cluster.kill(1, "SIGKILL");
  await mustHold(client, values);
  const { version } = await client.put("moved-1", "new");
  assert.ok(version > highest, `version ${version}, before ${highest}`);
});

test("data directories of a cluster that runs are told, and it goes on", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1, partitions: 1 });
  await using client = await clientOf(cluster);
  await writeAll(client, cargo("told", KEYS));
  await succeed(cluster, "backup", newDirectory());
  const report = await succeed(undefined, "inspect", cluster.dataDirectory(1), "--check");
  assert.is(report.identity.nodeId, 1);
  assert.ok(report.stores.some(({ checked }: { checked: number }) => checked > 0));
  assert.equal(report.problems, []);
  await client.put("and on", "it goes");
});

/** Waits until the first table of a backup has come, or the command has ended. */
async function untilTable(directory: string, { ended }: RunningCommand): Promise<void> {
  let hasEnded = false;
  void ended.then(() => hasEnded = true);
  while (!hasEnded && !namesIn(`${directory}/tables`).some((name) => name.endsWith(".table"))) await pause(1);
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return [];
  }
}

test.run();
