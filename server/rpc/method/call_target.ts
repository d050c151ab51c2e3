/**
 * What a call says about where it is meant to go, in header fields that are the same in every protocol: to a
 * leader only or to any node, and to which cluster.
 *
 * @module
 */

import { DomainError, type NodeApi } from "../../api/mod.ts";

/** The id of the cluster that a call means. */
export const CLUSTER_HEADER = "prkdb-cluster";
const ROUTE_HEADER = "prkdb-route";
/** Characters of another cluster's id that an error repeats; ids have half as many. */
const SHOWN_MAX = 64;

/** The header fields of a call, of whatever protocol. */
export interface CallHeaders {
  /** The value of the field `name`, which is in lower case; `null` if there is none. */
  get(name: string): string | null;
}

/** Whether the caller routes by itself and wants no forwarding: `prkdb-route: direct`. */
export function isDirect(headers: CallHeaders): boolean {
  return headers.get(ROUTE_HEADER) === "direct";
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
