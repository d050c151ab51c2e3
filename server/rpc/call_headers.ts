/**
 * What the headers of a Connect call say about how to serve it: its deadline, its route, its protocol
 * version, and which cluster it means.
 *
 * Source: Connect protocol reference, "Unary-Request".
 *
 * @module
 */

import { DomainError, invalidArgument, type NodeApi, type NodeCallOptions } from "../api/mod.ts";
import { callOptions } from "./method/mod.ts";

const TIMEOUT = /^\d{1,10}$/;
const PROTOCOL_VERSION = "1";
/** The id of the cluster that a call means. */
export const CLUSTER_HEADER = "prkdb-cluster";
/** Characters of another cluster's id that an error repeats; ids have half as many. */
const SHOWN_MAX = 64;

/**
 * Options of a Connect call.
 *
 * @throws {DomainError} `invalidArgument` for a deadline that is no number, `deadline` for one that has
 *   passed
 */
export function readCallOptions(headers: Headers): NodeCallOptions {
  const timeout = headers.get("connect-timeout-ms");
  if (timeout === null) return callOptions(undefined, isDirect(headers));
  if (TIMEOUT.test(timeout)) return callOptions(Number(timeout), isDirect(headers));
  // The words of the Connect router, so that both paths say the same.
  throw invalidArgument(`protocol error: invalid connect timeout value: ${timeout}`);
}

/** Whether the caller routes by itself and wants no forwarding: `prkdb-route: direct`. */
export function isDirect(headers: Headers): boolean {
  return headers.get("prkdb-route") === "direct";
}

/**
 * A caller that names no version is taken at its word that it speaks this one.
 *
 * @param parameter the parameter `connect` of a GET, empty if there is none
 * @throws {DomainError} `invalidArgument` for another version
 */
export function checkProtocolVersion(headers: Headers, parameter = ""): void {
  const version = headers.get("connect-protocol-version");
  if (version !== null && version !== PROTOCOL_VERSION) {
    throw invalidArgument(
      `Cannot serve connect-protocol-version "${version}": it must be "${PROTOCOL_VERSION}"`,
    );
  }
  if (parameter !== "" && parameter !== `v${PROTOCOL_VERSION}`) {
    throw invalidArgument(
      `Cannot serve the parameter connect "${parameter}": it must be "v${PROTOCOL_VERSION}"`,
    );
  }
}

/** A node, as far as it says which cluster it belongs to. */
export type ClusterMember = Pick<NodeApi, "clusterId">;

/**
 * A caller that knows its cluster says so with every call (`prkdb-cluster`): addresses are used again, and a
 * call that arrives in another cluster must not take effect there.
 *
 * @param meant `null` from callers that do not say
 * @throws {DomainError} `wrongCluster`; `unavailable` while the node does not know its own cluster
 */
export function checkCluster(meant: string | null, { clusterId }: ClusterMember): void {
  if (meant === null || meant === clusterId) return;
  if (clusterId === "") {
    throw new DomainError(
      { kind: "unavailable" },
      "Cannot serve yet: this node does not know which cluster it belongs to: ask another node",
      "not_founded",
    );
  }
  throw new DomainError(
    { kind: "wrongCluster" },
    `Cannot serve a call for cluster ${shown(meant)}: this node belongs to cluster ${clusterId}: ` +
      "ask a node of your cluster, and check the address",
  );
}

function shown(meant: string): string {
  return meant.length <= SHOWN_MAX ? `"${meant}"` : `"${meant.slice(0, SHOWN_MAX)}…"`;
}
