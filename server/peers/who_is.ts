/**
 * Who answers at an address. A node that is to be a member there is asked before the cluster believes it: an
 * address that leads to somebody else would cut it off, or let another node be taken for it.
 *
 * @module
 */

import { ClusterService } from "../../proto/mod.ts";
import { rootReason } from "../data/mod.ts";
import type { Answerer } from "../ports/mod.ts";

/** A node that has not answered by then counts as not there. */
const ANSWER_LIMIT_MS = 2_000;
/** What a node answers that is still starting; it cannot be asked who it is yet. */
const STARTING = 503;

/** Asks at `address`, `host:port`. Never rejects. */
export async function whoIsAt(address: string): Promise<Answerer> {
  try {
    const path = `${ClusterService.typeName}/${ClusterService.method.getStatus.name}`;
    const response = await fetch(`http://${address}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: "{}",
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    return answererOf(response.status, await response.text());
  } catch (error) {
    return { kind: "nobody", reason: rootReason(error) };
  }
}

function answererOf(status: number, text: string): Answerer {
  if (status === STARTING) return { kind: "nobody", reason: "what answers there is still starting" };
  const { nodeId, clusterId = "" } = tryParse(text);
  if (status === 200 && typeof nodeId === "number" && typeof clusterId === "string") {
    return { kind: "node", nodeId, clusterId };
  }
  return { kind: "stranger", reason: `HTTP status ${status}` };
}

function tryParse(text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
