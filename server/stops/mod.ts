/**
 * A record of where calls are on their way through a running node: each stop with its time, for
 * `deno task bench:trace`. Spans of whole calls are another thing (`http/tracing`).
 *
 * ```
 *          head, request             queued             turn                 sent
 * client ──▶ HttpRouter ──▶ rpc ──▶ NodeInbox ──▶ Clock.soon: the loop ──▶ PeerTransport ═▶ peers
 *                ▲                   │    ▲             │
 *             answered            settled └─ arrived    └─▶ FileSystem: frame, syncBegun, synced
 * ```
 *
 * **What it owns.** The last stops, as many as `--record-stops` says, in memory. Nobody between the borders
 * knows of it: it stands in for the ports through which the world enters a node (`ports/`, `wal-wasm`), for
 * its inbox, and around its routers.
 *
 * **Read in this order.** `stop_recorder.ts`: what a stop is, and how many are kept. `borders.ts`: what is
 * replaced by what. `recording_router.ts`, `recording_inbox.ts`, `recording_transport.ts` with
 * `peer_stops.ts`, `recording_files.ts`: the way down. The page `/stops` is in `recording_router.ts`.
 *
 * **What it never does.** It does not say which stops belong to one call: a node knows a part of them only.
 * Who asks all nodes puts them together by group, index of the entry and id of the passed call
 * (`bench/trace`). It measures nothing between nodes but by the clock that they share on one machine.
 *
 * **Invariants**
 *
 * - Without `--record-stops` no part of a node is another one than it was, so that calls cost the same.
 * - What is recorded is done as without a record, in the same order.
 * - No content of keys and values gets into a stop.
 *
 * @module
 */

export { type Borders, bordersFor } from "./borders.ts";
export type { Stop, StopDetail, StopName, StopsSince } from "./stop_recorder.ts";
