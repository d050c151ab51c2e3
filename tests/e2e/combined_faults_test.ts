/**
 * Everything at once: many clients put, delete, compare-and-set and read while nodes are killed, paused and
 * cut off, two at a time now and then. Whatever the clients were told must be explained by one order of
 * operations a key.
 *
 * `PRKDB_TEST_FAULTS_MS` sets how long; the nightly run takes minutes.
 *
 * @module
 */

import { PrkDbClient } from "../../client/mod.ts";
import { Consistency, KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { checkLinearizable, describeVerdict } from "../linearizability/checker.ts";
import { staleReadComplaints } from "../linearizability/stale_reads.ts";
import { callNode } from "../support/cluster/node_call.ts";
import { ProxiedCluster } from "../support/cluster/proxied_cluster.ts";
import { HistoryRecorder, type RecordedClient } from "../support/load/history.ts";
import { MixedLoad } from "../support/load/mixed_load.ts";
import { eventually, PATIENCE_MS, pause, until } from "../support/patience.ts";
import { drawnRandom, type SeededRandom } from "../support/seeded_random.ts";

const FAULTS_MS = Number(Deno.env.get("PRKDB_TEST_FAULTS_MS") ?? 25_000);
const PARTITIONS = 6;
const FLAGS = ["--election-timeout-ms=500", "--heartbeat-ms=50"];
const CLIENTS = 4;
const WORKERS_PER_CLIENT = 3;
const KEYS = Array.from({ length: 12 }, (_, number) => `key-${number}`);
/** Shorter than some faults, so that calls are left without an answer. */
const TIMEOUT_MS = 2_000;
/** Calls that must be answered after each round of faults, before the next one begins. */
const ANSWERS_PER_ROUND_MIN = 20;
/** Far more than the faults and the calls between them take. */
const LIMIT_MS = 600_000 + 10 * FAULTS_MS;

const test = suite("combined faults");

test("what clients are told under kills, pauses and cuts is linearizable", async () => {
  const random = drawnRandom("combined faults");
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: PARTITIONS, flags: FLAGS });
  const recorder = new HistoryRecorder(() => performance.now());
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(cluster)));
  const recorded = clients.flatMap((client, at) =>
    Array.from(
      { length: WORKERS_PER_CLIENT },
      (_, worker) => recorder.client(at * WORKERS_PER_CLIENT + worker, client),
    )
  );
  const load = MixedLoad.start({
    clients: recorded,
    keys: KEYS,
    random,
    timeoutMs: TIMEOUT_MS,
    pauseMs: 5,
  });
  const stale = staleReads(recorder.client(100, clients[0]!));
  const faults = new FaultPlayer({
    cluster,
    random,
    recovered: async () => {
      const wanted = load.answered + ANSWERS_PER_ROUND_MIN;
      await until(() => load.answered >= wanted, "calls are answered again after faults");
    },
  });
  await faults.play(FAULTS_MS);
  await cluster.processes.waitReady();
  await Promise.all([load.stop(), stale.stop()]);

  await readEverything(recorder, cluster);
  await Promise.all(clients.map((client) => client.close()));
  const verdict = checkLinearizable(recorder.history());
  const { answered, writes, unknown } = load;
  console.log(
    `combined faults: ${faults.summary()}; ${answered} answers, ${writes} of them writes, ${unknown.length} open; ` +
      describeVerdict(verdict),
  );
  assert.is(verdict.kind, "linearizable", describeVerdict(verdict));
  assert.equal(staleReadComplaints(recorder.history(), recorder.staleReads()), []);
  assert.ok(recorder.staleReads().length > 0);
}, { limitMs: LIMIT_MS });

test("an answer from a copy that was cut off is found out", async () => {
  await using cluster = await ProxiedCluster.start({ nodes: 3, partitions: 1, flags: FLAGS });
  const { processes } = cluster;
  const recorder = new HistoryRecorder(() => performance.now());
  await using client = await connect(cluster);
  const recorded = recorder.client(1, client);
  await recorded.put("key-0", "old", { timeoutMs: PATIENCE_MS });
  const victim = processes.ids.find((id) => id !== 1)!;
  await seesOwn(processes.address(victim), "old");
  cluster.isolate([victim]);
  assert.is((await recorded.put("key-0", "new", { timeoutMs: PATIENCE_MS })).outcome.kind, "written");
  assert.is(checkLinearizable(recorder.history()).kind, "linearizable");
  // The node says what it holds, as it was asked to; here it passes for more.
  const operation = recorder.begin({ client: 2, key: "key-0", action: { kind: "get" } });
  const { value, version } = await readOwn(processes.address(victim));
  recorder.end(operation, { kind: "found", value, version });
  const verdict = checkLinearizable(recorder.history());
  assert.is(verdict.kind, "violation");
  assert.match(describeVerdict(verdict), /client 2 get → "old"/);
});

function connect(cluster: ProxiedCluster): Promise<PrkDbClient> {
  return PrkDbClient.connect(cluster.processes.addresses(), { caller: cluster.caller() });
}

type Fault = "kill" | "pause" | "cut" | "cut one way" | "reset";
const FAULTS: readonly Fault[] = ["kill", "pause", "cut", "cut one way", "reset"];

/** What faults are played on. */
interface FaultPlayerOptions {
  readonly cluster: ProxiedCluster;
  readonly random: SeededRandom;
  /** Resolves when the cluster serves again. */
  readonly recovered: () => Promise<void>;
}

/** Breaks nodes and links, one or two at a time, and mends them. */
class FaultPlayer {
  readonly #cluster: ProxiedCluster;
  readonly #random: SeededRandom;
  readonly #recovered: () => Promise<void>;
  readonly #played = new Map<Fault, number>(FAULTS.map((fault) => [fault, 0]));

  constructor({ cluster, random, recovered }: FaultPlayerOptions) {
    this.#cluster = cluster;
    this.#random = random;
    this.#recovered = recovered;
  }

  summary(): string {
    return [...this.#played].map(([fault, times]) => `${times} × ${fault}`).join(", ");
  }

  /**
   * Plays faults for `durationMs`, and longer if a kind was not played yet, every kind in turn. Everything is
   * mended at the end.
   */
  async play(durationMs: number): Promise<void> {
    const untilMs = performance.now() + durationMs;
    const isOver = () => performance.now() >= untilMs && Math.min(...this.#played.values()) > 0;
    for (let round = this.#random.below(FAULTS.length); !isOver(); round++) {
      const [first, second] = this.#twoNodes();
      const broken = [this.#break(FAULTS[round % FAULTS.length]!, first)];
      if (this.#random.chance(50)) {
        await pause(this.#random.below(300));
        broken.push(this.#break(this.#random.pick(FAULTS), second));
      }
      await pause(200 + this.#random.below(1_500));
      for (const mend of broken) await (await mend)();
      await this.#recovered();
      await pause(this.#random.below(1_200));
    }
  }

  #twoNodes(): readonly [number, number] {
    const { ids } = this.#cluster.processes;
    const first = this.#random.pick(ids);
    return [first, this.#random.pick(ids.filter((id) => id !== first))];
  }

  /** Breaks something about node `id`; what it resolves with mends it. */
  async #break(fault: Fault, id: number): Promise<() => Promise<unknown> | void> {
    const { processes } = this.#cluster;
    this.#played.set(fault, this.#played.get(fault)! + 1);
    switch (fault) {
      case "kill":
        await processes.kill(id, "SIGKILL");
        return () => processes.restart(id);
      case "pause":
        await processes.kill(id, "SIGSTOP");
        return () => processes.kill(id, "SIGCONT");
      case "cut":
        this.#cluster.isolate([id]);
        return () => this.#cluster.heal();
      case "reset":
        this.#cluster.isolate([id], "refusing");
        return () => this.#cluster.heal();
      case "cut one way":
        this.#cutOneWay(id);
        return () => this.#cluster.heal();
    }
  }

  #cutOneWay(id: number): void {
    const isMute = this.#random.chance(50);
    for (const other of this.#cluster.processes.ids.filter((each) => each !== id)) {
      const link = isMute ? { from: id, to: other } : { from: other, to: id };
      this.#cluster.setLink({ ...link, state: "hanging" });
    }
  }
}

/** Reads that may be old, on the side, until stopped. */
function staleReads(client: RecordedClient): { readonly stop: () => Promise<void> } {
  let isStopping = false;
  const run = async () => {
    for (let number = 0; !isStopping; number++) {
      await client.getStale(KEYS[number % KEYS.length]!, { timeoutMs: TIMEOUT_MS });
      await pause(20);
    }
  };
  const done = run();
  return {
    stop: async () => {
      isStopping = true;
      await done;
    },
  };
}

/** The last word of every node on every key is part of the history. */
async function readEverything(recorder: HistoryRecorder, cluster: ProxiedCluster): Promise<void> {
  for (const id of cluster.processes.ids) {
    for (const key of KEYS) {
      const operation = recorder.begin({ client: 200 + id, key, action: { kind: "get" } });
      const input = { key: new TextEncoder().encode(key) };
      const { value, version } = await eventually(() =>
        callNode(cluster.processes.address(id), KvService.method.get, { input })
      );
      recorder.end(
        operation,
        value === undefined
          ? { kind: "absent" }
          : { kind: "found", value: new TextDecoder().decode(value), version: Number(version) },
      );
    }
  }
}

/** What the node's own copy holds. */
async function readOwn(address: string): Promise<{ readonly value: string; readonly version: number }> {
  const input = { key: new TextEncoder().encode("key-0"), consistency: Consistency.STALE };
  const { value, version } = await callNode(address, KvService.method.get, { input });
  return { value: new TextDecoder().decode(value), version: Number(version) };
}

async function seesOwn(address: string, wanted: string): Promise<void> {
  await eventually(async () => assert.is((await readOwn(address)).value, wanted));
}

test.run();
