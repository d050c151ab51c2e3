/**
 * Three etcd members on loopback, and how their HTTP/JSON gateway is asked.
 *
 * @module
 */

import { freePorts } from "../../tests/support/cluster/free_port.ts";
import { processorSecondsOf } from "../machine.ts";
import { RawConnection } from "../raw_http.ts";

const READY_LIMIT_MS = 20_000;

/** Whether `etcd` is installed here, and which version. */
export async function etcdVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("etcd", { args: ["--version"], stderr: "null" }).output();
    return new TextDecoder().decode(stdout).split("\n")[0];
  } catch {
    return undefined;
  }
}

/** See the module comment. */
export class EtcdCluster {
  readonly addresses: readonly string[];
  readonly #members: readonly Deno.ChildProcess[];
  readonly #directory: string;

  private constructor(
    addresses: readonly string[],
    members: readonly Deno.ChildProcess[],
    directory: string,
  ) {
    this.addresses = addresses;
    this.#members = members;
    this.#directory = directory;
  }

  /** Starts three members with their defaults: every write synced on a majority. */
  static async start(directory: string): Promise<EtcdCluster> {
    const ports = freePorts(6);
    const clientUrl = (at: number) => `http://127.0.0.1:${ports[at]}`;
    const peerUrl = (at: number) => `http://127.0.0.1:${ports[at + 3]}`;
    const cluster = [0, 1, 2].map((at) => `member${at}=${peerUrl(at)}`).join(",");
    const members = [0, 1, 2].map((at) =>
      new Deno.Command("etcd", {
        args: [
          ...["--name", `member${at}`, "--data-dir", `${directory}/member${at}`, "--logger", "zap"],
          ...["--log-level", "error", "--initial-cluster", cluster, "--initial-cluster-state", "new"],
          ...["--listen-client-urls", clientUrl(at), "--advertise-client-urls", clientUrl(at)],
          ...["--listen-peer-urls", peerUrl(at), "--initial-advertise-peer-urls", peerUrl(at)],
        ],
        stdout: "null",
        stderr: "null",
      }).spawn()
    );
    const etcd = new EtcdCluster([0, 1, 2].map((at) => `127.0.0.1:${ports[at]}`), members, directory);
    await etcd.#ready();
    return etcd;
  }

  /** What the members have used so far, in seconds of processor. */
  readonly processorSeconds = (): number =>
    this.#members.reduce((sum, { pid }) => sum + processorSecondsOf(pid), 0);

  async close(): Promise<void> {
    for (const member of this.#members) member.kill("SIGKILL");
    await Promise.all(this.#members.map((member) => member.status));
    await Deno.remove(this.#directory, { recursive: true });
  }

  async #ready(): Promise<void> {
    const untilMs = performance.now() + READY_LIMIT_MS;
    while (performance.now() < untilMs) {
      const states = await Promise.all(this.addresses.map(isHealthy));
      if (states.every((state) => state)) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`etcd is not healthy after ${READY_LIMIT_MS} ms`);
  }
}

/** The path and body of one put. */
export function etcdPut(
  key: string,
  value: Uint8Array,
): { readonly path: string; readonly body: Uint8Array } {
  const text = JSON.stringify({ key: btoa(key), value: btoa(String.fromCharCode(...value)) });
  return { path: "/v3/kv/put", body: new TextEncoder().encode(text) };
}

/** The path and body of one linearizable get. */
export function etcdGet(key: string): { readonly path: string; readonly body: Uint8Array } {
  return { path: "/v3/kv/range", body: new TextEncoder().encode(JSON.stringify({ key: btoa(key) })) };
}

async function isHealthy(address: string): Promise<boolean> {
  try {
    const connection = await RawConnection.open(address);
    connection.close();
    const response = await fetch(`http://${address}/health`);
    return (await response.text()).includes('"true"');
  } catch {
    return false;
  }
}
