/**
 * What Prometheus reads: every name of the contract, with its real value.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import type { NodeStatus } from "../api/node_api.ts";
import { Metrics } from "./metrics.ts";

const test = suite("metrics");

const STATUS: NodeStatus = {
  nodeId: 1,
  clusterId: "c",
  version: "0",
  state: "serving",
  uptimeMs: 1,
  replicas: [{
    group: 4,
    partitionId: 3,
    role: "leader",
    term: 7,
    vote: 1,
    leader: 1,
    commit: 11,
    applied: 10,
    firstIndex: 1,
    lastIndex: 12,
    logBytes: 99,
    electionsWon: 2,
    isQuiet: false,
    isSealed: false,
    membership: { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [] },
    appendsSent: 5,
    keyCount: 8,
    stateBytes: 64,
    followers: [{
      node: 2,
      state: "replicate",
      matchIndex: 9,
      nextIndex: 13,
      inflightMessages: 1,
      inflightBytes: 33,
      active: true,
    }],
  }],
  peers: [{ nodeId: 2, address: "h:1", connected: true, queuedBytes: 17, droppedMessages: 3 }],
  walBytes: 1_000,
};

async function scrape(feed: (metrics: Metrics) => void = () => {}): Promise<string[]> {
  const metrics = new Metrics();
  metrics.open({
    status: () => STATUS,
    sampleWal: () => ({ bytesTotal: 1_000, segmentCount: 2 }),
    callsInFlight: () => 6,
    memory: () => [{ name: "log", limitBytes: 100, usedBytes: 40 }],
    troubles: () => [{ kind: "log_full", reason: "no space" }],
  });
  feed(metrics);
  await metrics.render();
  const text = await metrics.render();
  metrics.close();
  return text.split("\n");
}

test("gauges and counters show what the node says, however often they are read", async () => {
  const lines = await scrape();
  for (
    const line of [
      'prkdb_raft_state{partition="3"} 1',
      'prkdb_raft_term{partition="3"} 7',
      'prkdb_raft_commit_index{partition="3"} 11',
      'prkdb_raft_applied_index{partition="3"} 10',
      'prkdb_raft_leader_elections_total{partition="3"} 2',
      'prkdb_raft_append_entries_total{partition="3"} 5',
      'prkdb_raft_inflight_bytes{partition="3"} 33',
      'prkdb_raft_proposals_total{partition="3",result="accepted"} 0',
      'prkdb_store_keys{partition="3"} 8',
      'prkdb_peer_connected{peer="2"} 1',
      'prkdb_peer_dropped_batches_total{peer="2"} 3',
      "prkdb_wal_bytes_total 1000",
      "prkdb_calls_in_flight 6",
      'prkdb_memory_bytes{part="log"} 40',
      'prkdb_memory_limit_bytes{part="log"} 100',
      'prkdb_trouble{kind="log_full"} 1',
      'prkdb_trouble{kind="descriptors"} 0',
      "# TYPE prkdb_wal_bytes_total counter",
      "# TYPE prkdb_raft_leader_elections_total counter",
      "# TYPE prkdb_raft_term gauge",
    ]
  ) {
    assert.ok(lines.includes(line), line);
  }
});

test("what happens is counted and timed", async () => {
  const lines = await scrape((metrics) => {
    metrics.observe("Put", "ok", 0.002);
    metrics.observe("Put", "ok", 0.02);
    metrics.observe("Get", "unavailable", 0.001);
    metrics.observeTurn(0.003);
    metrics.observeSync(0.0004);
    metrics.observeFrame(5_000);
    metrics.observeProposal(3, "accepted");
    metrics.observeProposal(3, "refused");
    metrics.observeProposal(3, "accepted");
  });
  for (
    const line of [
      'prkdb_requests_total{method="Put",code="ok"} 2',
      'prkdb_requests_total{method="Get",code="unavailable"} 1',
      'prkdb_request_duration_seconds_count{method="Put"} 2',
      'prkdb_request_duration_seconds_bucket{le="0.0025",method="Put"} 1',
      "prkdb_turn_duration_seconds_count 1",
      'prkdb_wal_sync_duration_seconds_bucket{le="0.0005"} 1',
      'prkdb_wal_frame_bytes_bucket{le="16384"} 1',
      'prkdb_raft_proposals_total{partition="3",result="accepted"} 2',
      'prkdb_raft_proposals_total{partition="3",result="refused"} 1',
    ]
  ) {
    assert.ok(lines.includes(line), line);
  }
});

test.run();
