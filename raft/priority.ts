/**
 * The order in which replicas should lead may change while a group runs. It promises nothing and decides
 * nothing: it only makes some elections and handovers likelier, so the replicas of a group need not agree on
 * it.
 *
 * @module
 */

import { isHandOverAhead, wake } from "./quiet.ts";
import { newHandover, type ReplicaState } from "./state.ts";
import type { NodeId } from "./types.ts";

/** From now on the replicas should lead in the order of `nodes`; a timeout that is already drawn stays. */
export function setPriority(state: ReplicaState, nodes: readonly NodeId[]): void {
  // The pauses between handovers are for a replica that cannot keep leadership; another one has not been
  // tried.
  if (state.priority[0] !== nodes[0]) state.handover = newHandover(state.config);
  state.priority = [...nodes];
  // Its heartbeats wake the others.
  if (state.isQuiet && state.role === "leader" && isHandOverAhead(state)) wake(state);
}
