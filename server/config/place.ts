/**
 * Where a node is found: by its peers (`--advertise`), and by clients (`--advertise-client`). Unless given,
 * it is where it listens; then what `--cluster-nodes` says of this node must be true, because the others
 * believe it.
 *
 * @module
 */

import { isIP } from "node:net";
import type { NodeId } from "../../raft/mod.ts";
import { ConfigError, type Flags } from "./flags.ts";

/** Hosts that mean "listen on every address"; as an address to connect to they mean nothing. */
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Whether a node that listens at `host` listens at every address of its machine. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.has(host);
}

/** What the flags say, with the port that the node listens on. */
export interface PlaceFlags extends Pick<Flags, "advertise" | "clusterNodes" | "host" | "nodeId"> {
  readonly port: number;
}

/**
 * Where peers find the node, `host:port`.
 *
 * @throws {ConfigError} when `--cluster-nodes` says that the node is where it does not listen
 */
export function advertisedAddress(flags: PlaceFlags): string {
  const { advertise, clusterNodes, host, nodeId, port } = flags;
  if (advertise !== undefined) return advertise;
  const own = clusterNodes?.get(nodeId);
  if (own === undefined) return `${bracketed(host)}:${port}`;
  checkOwnEntry(own, flags);
  return own;
}

/** A name may be resolved to anything, so only literal addresses are compared. */
function checkOwnEntry(own: string, { host, nodeId, port }: PlaceFlags): void {
  const colon = own.lastIndexOf(":");
  const ownPort = Number(own.slice(colon + 1));
  if (ownPort !== port) throw contradiction({ nodeId, own, listens: `port ${port}` });
  const ownHost = own.slice(0, colon).replace(/^\[|\]$/g, "");
  const isComparable = isIP(ownHost) !== 0 && isIP(host) !== 0 && !isWildcard(host);
  if (isComparable && ownHost !== host) throw contradiction({ nodeId, own, listens: `address ${host}` });
}

/** What `--cluster-nodes` says of a node, and what is true. */
interface Contradiction {
  readonly nodeId: NodeId;
  readonly own: string;
  readonly listens: string;
}

function contradiction({ nodeId, own, listens }: Contradiction): ConfigError {
  return new ConfigError(
    `--cluster-nodes says that node ${nodeId} is at ${own}, but it listens on ${listens}: make them agree ` +
      `(--host, --grpc-port), or say with --advertise ${own} that this is where peers reach it`,
  );
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
