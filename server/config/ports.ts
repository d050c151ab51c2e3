/**
 * Ports that a node cannot be reached at, and a `--join` that leads back to the node itself: nothing that
 * waiting would heal, so both are refused before anything is opened.
 *
 * @module
 */

import { isBlockedPort } from "../../proto/mod.ts";
import { ConfigError, type Flags } from "./flags.ts";
import { isWildcard } from "./place.ts";

/** A flag with a port in it. */
interface NamedPort {
  readonly flag: string;
  readonly port: number;
}

/** The flags, with the ports that the node listens on. */
export interface PortFlags
  extends Pick<Flags, "advertise" | "advertiseClient" | "clusterNodes" | "host" | "join"> {
  readonly port: number;
  readonly metricsPort: number;
}

/**
 * @throws {ConfigError} for a port that browsers and `fetch` block, wherever it is named, and for a `--join`
 *   to the node itself
 */
export function checkPorts(flags: PortFlags): void {
  for (const { flag, port } of namedPorts(flags)) {
    if (!isBlockedPort(port)) continue;
    throw new ConfigError(
      `${flag} cannot be port ${port}: browsers and fetch, by which clients and nodes call each other, refuse ` +
        "to connect to it; choose another port, above 10080 none is refused",
    );
  }
  checkJoinElsewhere(flags);
}

function namedPorts(flags: PortFlags): readonly NamedPort[] {
  const { advertise, advertiseClient, clusterNodes, join, metricsPort, port } = flags;
  const addresses = [
    ...[...clusterNodes?.values() ?? []].map((address) => ({ flag: "--cluster-nodes", address })),
    ...(advertise === undefined ? [] : [{ flag: "--advertise", address: advertise }]),
    ...(advertiseClient === undefined ? [] : [{ flag: "--advertise-client", address: advertiseClient }]),
    ...(join === undefined ? [] : [{ flag: "--join", address: join }]),
  ];
  return [
    { flag: "--grpc-port", port },
    { flag: "--metrics-port", port: metricsPort },
    ...addresses.map(({ flag, address }) => ({ flag, port: portIn(address) })),
  ];
}

/** The port of `host:port` or of a URL; 0 for a URL that leaves it out. */
function portIn(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1] ?? 0);
}

/** Only what is this node by its very words is known here; other names may lead anywhere. */
function checkJoinElsewhere({ advertise, host, join, port }: PortFlags): void {
  if (join === undefined) return;
  const url = new URL(join);
  const isHere = url.host === advertise || (Number(url.port) === port && leadsHere(url.hostname, host));
  if (!isHere) return;
  throw new ConfigError(
    `--join ${join} is the address of this node itself: name another node, one that is in the cluster already`,
  );
}

function leadsHere(hostname: string, host: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return bare === host || (isLoopbackHost(bare) && (isLoopbackHost(host) || isWildcard(host)));
}

/** Whether a node that listens at `host` is reached from its own machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
