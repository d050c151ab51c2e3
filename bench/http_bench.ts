/**
 * What a request costs the server: bare handlers on `Deno.serve` and on the listener of our own, each in a
 * process of its own, loaded by turns. `deno task bench:http [SECONDS] [CONNECTIONS]`, so many seconds for
 * each of them.
 *
 * The load is a POST of 122 bytes that is answered with 23: one request in flight on each connection. Turns
 * are short, so that all servers see the same machine, whatever else runs on it. The processor time is that
 * of all threads (`/proc/PID/task/TID/schedstat`), so this runs on Linux.
 *
 * @module
 */

import { postRequest, RawConnection } from "./raw_http.ts";

const [seconds = 5, connections = 64] = Deno.args.map(Number);
const TURN_MS = 200;
const WARM_MS = 1_500;
const BODY = new Uint8Array(122);
const KINDS = ["Deno.serve", "own, whole", "own, web"];

/** A server under load, and what its turns came to. */
interface LoadedServer {
  readonly kind: string;
  readonly process: Deno.ChildProcess;
  readonly opened: readonly RawConnection[];
  readonly request: Uint8Array;
  /** One entry a turn. */
  readonly turns: { readonly perSecond: number; readonly microsPerRequest: number }[];
}

const servers = await Promise.all(KINDS.map(startServer));
try {
  for (const server of servers) await drive(server, WARM_MS);
  for (let turn = 0; turn < seconds * 1_000 / TURN_MS; turn++) {
    for (const server of servers) await takeTurn(server);
  }
  for (const { kind, turns } of servers) {
    const perSecond = median(turns.map((turn) => turn.perSecond));
    const micros = median(turns.map((turn) => turn.microsPerRequest));
    const best = Math.min(...turns.map((turn) => turn.microsPerRequest));
    console.log(
      `${kind}: ${perSecond.toFixed(0)} requests/s, ${micros.toFixed(1)} µs of processor each (best turn ${
        best.toFixed(1)
      })`,
    );
  }
  for (const { kind, turns } of servers.slice(1)) {
    const ratios = (key: "perSecond" | "microsPerRequest") =>
      median(turns.map((turn, at) => turn[key] / servers[0]!.turns[at]![key])).toFixed(2);
    console.log(
      `${kind} to Deno.serve, median of turns: requests × ${ratios("perSecond")}, processor × ${
        ratios("microsPerRequest")
      }`,
    );
  }
} finally {
  for (const { process, opened } of servers) {
    for (const connection of opened) connection.close();
    process.kill("SIGKILL");
    await process.status;
  }
}

async function startServer(kind: string): Promise<LoadedServer> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("./http_bench_server.ts", import.meta.url).pathname, kind],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.getReader();
  const address = new TextDecoder().decode((await reader.read()).value).trim();
  void reader.cancel();
  const opened = await Promise.all(Array.from({ length: connections }, () => RawConnection.open(address)));
  const target = { address, path: "/prkdb.v1.KvService/Put", contentType: "application/proto" };
  return { kind, process, opened, request: postRequest(target, BODY), turns: [] };
}

async function takeTurn(server: LoadedServer): Promise<void> {
  const usedBefore = processorNanos(server.process.pid);
  const startedMs = performance.now();
  const count = await drive(server, TURN_MS);
  const elapsed = (performance.now() - startedMs) / 1_000;
  const used = processorNanos(server.process.pid) - usedBefore;
  server.turns.push({ perSecond: count / elapsed, microsPerRequest: used / count / 1_000 });
}

async function drive({ opened, request }: LoadedServer, ms: number): Promise<number> {
  const endMs = performance.now() + ms;
  let count = 0;
  await Promise.all(opened.map(async (connection) => {
    while (performance.now() < endMs) {
      if (await connection.request(request) !== 200) throw new Error("A request was not answered with 200");
      count++;
    }
  }));
  return count;
}

function processorNanos(pid: number): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    sum += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ")[0]);
  }
  return sum;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]!;
}
