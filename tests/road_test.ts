/**
 * Holds the roads that `ARCHITECTURE.md` draws. Three nodes and a client run in this process, and V8 counts
 * which functions run while a put is under way. The road of a put and the list of what is asked on the way
 * must name the files of these functions, no more and no fewer; what also runs while nobody puts (ticks,
 * heartbeats, the cluster's own group) may be named or not.
 *
 * @module
 */

import { Session } from "node:inspector";
import { PrkDbClient } from "../client/mod.ts";
import { parseConfig, Server } from "../server/mod.ts";
import { assert, suite } from "./harness.ts";
import { freePorts } from "./support/cluster/free_port.ts";
import { pause, until } from "./support/patience.ts";

const test = suite("roads");
const ROOT = new URL("..", import.meta.url).href;
const ARCHITECTURE = await Deno.readTextFile(new URL("../ARCHITECTURE.md", import.meta.url));

/** Windows in time that are looked at, with a put in them and without one. */
const WINDOWS = 12;
/** What runs in all but so many windows with a put belongs to it. */
const MISSED_MAX = 2;
const IDLE_MS = 400;
/** For what a put leaves behind: the followers' commits. */
const AFTERMATH_MS = 100;
/** Nobody stands for election, and the group does not fall quiet, while it is looked at. */
const ELECTION_TIMEOUT_MS = 5_000;
const NODES = [1, 2, 3];
/** Rooms in which a put may leave its traces. */
const PRODUCT = /^(client|proto|raft|server|wal-wasm)\//;

interface CoverageRange {
  readonly startOffset: number;
  readonly count: number;
}

/** The part of `CoverageResult` that is needed. */
interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly CoverageRange[] }[];
}

test("a put passes the files that its road names, and no other", async () => {
  const road = filesUnder("The road of a put");
  const asked = filesListed("Asked on the way");
  const library = filesListed("Of the HTTP library");
  const due = filesListed("Now and then");
  const { always, ever } = await filesOfAPut();
  const told = new Set([...road, ...asked, ...library]);
  assert.equal(told.size, road.length + asked.length + library.length, "a file is named twice");
  assert.equal([...told].filter((file) => !ever.has(file)), [], "named, but no put comes here");
  const untold = [...always].filter((file) => !told.has(file) && !due.includes(file));
  assert.equal(untold, [], "a put comes here, but it is not named");
  assert.ok(ARCHITECTURE.includes(`passes ${road.length} files`), `the road has ${road.length} files`);
});

test("the files that the road of an election names are there", () => {
  for (const file of filesUnder("The road of an election")) Deno.statSync(new URL(file, ROOT));
});

/** The files of a road in the order of the page, each once. */
function filesUnder(title: string): readonly string[] {
  const from = ARCHITECTURE.indexOf(`## ${title}`);
  assert.ok(from >= 0, title);
  const [, block = ""] = ARCHITECTURE.slice(from).split("```");
  return [...new Set([...block.matchAll(/[\w-]+(?:\/[\w-]+)+\.ts/g)].map(([file]) => file))];
}

/** A list behind the road: paths in backticks, without their ending. */
function filesListed(opening: string): readonly string[] {
  const from = ARCHITECTURE.indexOf(opening);
  assert.ok(from >= 0, opening);
  const paragraph = ARCHITECTURE.slice(from).split("\n\n")[0]!;
  return [...paragraph.matchAll(/`([\w-]+(?:\/[\w-]+)+)`/g)].map(([, path]) => `${path}.ts`);
}

/** Files in which something runs for a put alone in nearly every window, and in any window with a put. */
async function filesOfAPut() {
  const folder = await Deno.makeTempDir();
  const servers = await startServers(folder);
  const coverage = new Coverage();
  try {
    await until(() => servers.every(({ node }) => node.readiness().isReady), "all nodes are ready");
    const client = await PrkDbClient.connect(servers.map(({ address }) => `http://${address}`));
    await coverage.start();
    try {
      return await watchPuts(client, coverage);
    } finally {
      coverage.stop();
      await client.close();
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await Deno.remove(folder, { recursive: true });
  }
}

async function startServers(folder: string): Promise<readonly Server[]> {
  const ports = freePorts(NODES.length * 2);
  const members = NODES.map((id) => `${id}@127.0.0.1:${ports[id - 1]}`).join(",");
  return await Promise.all(NODES.map((id) =>
    Server.start(parseConfig([
      `--node-id=${id}`,
      `--cluster-nodes=${members}`,
      `--metrics-port=${ports[NODES.length + id - 1]}`,
      `--data-dir=${folder}/${id}`,
      "--num-partitions=1",
      `--election-timeout-ms=${ELECTION_TIMEOUT_MS}`,
    ]))
  ));
}

async function watchPuts(client: PrkDbClient, coverage: Coverage) {
  const idle = new Set<string>();
  for (let window = 0; window < WINDOWS; window++) {
    // The group stays awake, as it is while somebody puts.
    await client.put("key", "awake");
    await pause(AFTERMATH_MS);
    await coverage.take();
    await pause(IDLE_MS);
    for (const ran of await coverage.take()) idle.add(ran);
  }
  const counts = new Map<string, number>();
  for (let window = 0; window < WINDOWS; window++) {
    await coverage.take();
    await client.put("key", `value ${window}`);
    await pause(AFTERMATH_MS);
    for (const ran of await coverage.take()) counts.set(ran, (counts.get(ran) ?? 0) + 1);
  }
  const own = [...counts].filter(([ran, count]) => !idle.has(ran) && count >= WINDOWS - MISSED_MAX);
  return { always: filesOf(own.map(([ran]) => ran)), ever: filesOf(counts.keys()) };
}

function filesOf(functions: Iterable<string>): ReadonlySet<string> {
  return new Set([...functions].map((ran) => ran.split("#")[0]!));
}

/** Which functions have run since it was last asked. */
class Coverage {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#post("Profiler.enable");
    await this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  /** `file#where the function begins` for each that has run. */
  async take(): Promise<readonly string[]> {
    const answer = await this.#post("Profiler.takePreciseCoverage") as { result: readonly ScriptCoverage[] };
    return answer.result.flatMap(({ url, functions }) => {
      const file = url.startsWith(ROOT) ? url.slice(ROOT.length) : "";
      if (!PRODUCT.test(file) || file.startsWith("proto/gen/")) return [];
      const ran = functions.map(({ ranges }) => ranges[0]!).filter(({ count }) => count > 0);
      return ran.map(({ startOffset }) => `${file}#${startOffset}`);
    });
  }

  stop(): void {
    this.#session.disconnect();
  }

  #post(method: string, options: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) =>
      this.#session.post(
        method,
        options,
        (error: Error | null, answer: unknown) =>
          error === null || error === undefined ? resolve(answer) : reject(error),
      )
    );
  }
}

test.run();
