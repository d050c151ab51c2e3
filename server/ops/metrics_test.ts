/**
 * What Prometheus reads: every name of the contract, with its real value.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { DomainError } from "../api/error.ts";
import type { NodeStatus } from "../api/node_api.ts";
import { readinessOf } from "../api/trouble.ts";
import type { StateFigures, StoreFigures } from "../node/mod.ts";
import { Metrics } from "./metrics.ts";
import type { MetricsSource } from "./readings.ts";

const test = suite("metrics");

const STATUS: NodeStatus = {
  nodeId: 1,
  clusterId: "c",
  version: "0",
  state: "serving",
  uptimeMs: 1,
  replicas: [{
    replicaId: 1,
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
    expiredKeys: 6,
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
  peers: [{ nodeId: 2, address: "h:1", connected: true, reached: true, queuedBytes: 17, droppedMessages: 3 }],
  walBytes: 1_000,
  troubles: [],
};

const STORE: StoreFigures = {
  partitionId: 3,
  point: {
    index: 1,
    term: 1,
    membership: new Uint8Array(0),
    membershipIndex: 0,
    logFloor: { segment: 0, offset: 0 },
  },
  lastVersion: 2,
  memtableBytes: 21,
  tableMemoryBytes: 22,
  levels: [{ tables: 2, bytes: 200 }, { tables: 1, bytes: 900 }],
  entries: 3,
  frozenBytes: 0,
  fullness: 0.5,
  keys: 4,
  valueAndKeyBytes: 5,
  flushedBytes: 23,
  compactedBytes: 24,
  flushFailure: undefined,
  compactionFailure: undefined,
};

const STATE: StateFigures = {
  flushes: 31,
  compactions: 32,
  releases: 33,
  repaired: 0,
  drops: 0,
  verified: 0,
  installed: 34,
  snapshotsSent: 35,
  snapshotBytesSent: 36,
  receiving: { received: 37, bytesReceived: 38, installed: 0, failed: 39, underWay: 1 },
  cache: { hits: 41, misses: 42, bytes: 43 },
  stores: [STORE, { ...STORE, partitionId: 5, fullness: 2, levels: [{ tables: 1, bytes: 50 }] }],
};

/** Of a node that says `status`. */
function sourceOf(status: () => NodeStatus): MetricsSource {
  return {
    status,
    readiness: () => readinessOf([{ kind: "memoryFull", reason: "full" }]),
    leaderless: () => [7, 9],
    fewReplicas: () => 4,
    sampleWal: () => ({ frameBytes: 700, bytesTotal: 1_000, segmentCount: 2, oldestSegment: 14 }),
    sampleState: () => STATE,
    callsInFlight: () => 6,
    memory: () => [{ name: "log", limitBytes: 100, usedBytes: 40 }],
    shortages: () => [{ kind: "log_full", reason: "no space" }],
  };
}

async function scrape(feed: (metrics: Metrics) => void = () => {}): Promise<string[]> {
  const metrics = new Metrics();
  metrics.open(sourceOf(() => STATUS));
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
      'prkdb_store_expired_keys_total{partition="3"} 6',
      'prkdb_peer_connected{peer="2"} 1',
      'prkdb_peer_dropped_batches_total{peer="2"} 3',
      'prkdb_peer_reached{peer="2"} 1',
      'prkdb_raft_replicas{role="leader"} 1',
      "prkdb_wal_bytes_total 700",
      "prkdb_wal_file_bytes 1000",
      "prkdb_ready 0",
      "prkdb_partitions_without_leader 2",
      "prkdb_partitions_with_few_replicas 4",
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

test("stores, the log's release and snapshots show what they have done", async () => {
  const lines = await scrape();
  for (
    const line of [
      "prkdb_wal_oldest_segment 14",
      "prkdb_wal_releases_total 33",
      "prkdb_store_flushes_total 31",
      "prkdb_store_compactions_total 32",
      "prkdb_store_cache_hits_total 41",
      "prkdb_store_cache_misses_total 42",
      "prkdb_store_cache_bytes 43",
      "prkdb_snapshots_sent_total 35",
      "prkdb_snapshots_sent_bytes_total 36",
      "prkdb_snapshots_received_total 37",
      "prkdb_snapshots_received_bytes_total 38",
      "prkdb_snapshots_installed_total 34",
      "prkdb_snapshots_failed_total 39",
      "prkdb_snapshots_receiving 1",
      'prkdb_store_memtable_bytes{partition="3"} 21',
      'prkdb_store_table_memory_bytes{partition="3"} 22',
      'prkdb_store_fullness{partition="3"} 0.5',
      'prkdb_store_flushed_bytes_total{partition="3"} 23',
      'prkdb_store_compacted_bytes_total{partition="3"} 24',
      'prkdb_store_tables{partition="3",level="0"} 2',
      'prkdb_store_tables{partition="3",level="1"} 1',
      'prkdb_store_table_bytes{partition="3",level="1"} 900',
    ]
  ) {
    assert.ok(lines.includes(line), line);
  }
  // Its replica has moved away.
  assert.not.ok(lines.some((line) => line.includes('partition="5"')));
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

test("a refusal is counted once with what refused it, an answer is none", async () => {
  const full = new DomainError({ kind: "overloaded" }, "full", "log_full");
  const lines = await scrape((metrics) => {
    for (const error of [full, full, new DomainError({ kind: "overloaded" }, "full", "log_full")]) {
      metrics.observeRefusal(error);
    }
    metrics.observeRefusal(new DomainError({ kind: "outcomeUnknown" }, "lost"));
    metrics.observeRefusal(new DomainError({ kind: "precondition", currentVersion: 1 }, "no"));
  });
  const counted = lines.filter((line) => line.startsWith("prkdb_refusals_total{"));
  assert.equal(counted.sort(), [
    'prkdb_refusals_total{reason="log_full"} 2',
    'prkdb_refusals_total{reason="outcome_unknown"} 1',
  ]);
});

test("what is gone leaves no series behind", async () => {
  let status = STATUS;
  const metrics = new Metrics();
  metrics.open(sourceOf(() => status));
  metrics.observeProposal(3, "accepted");
  assert.match(await metrics.render(), /partition="3"/);
  status = { ...STATUS, replicas: [], peers: [] };
  const text = await metrics.render();
  metrics.close();
  assert.not.match(text, /partition="3"|peer="2"/);
});

test("many partitions are added up, unless it is said otherwise", async () => {
  const replicas = Array.from({ length: 300 }, (_, at) => ({ ...STATUS.replicas[0]!, partitionId: at }));
  const source = sourceOf(() => ({ ...STATUS, replicas }));
  for (const detail of ["aggregate", undefined] as const) {
    const metrics = new Metrics(detail);
    metrics.open(source);
    metrics.observeProposal(3, "refused");
    const lines = (await metrics.render()).split("\n");
    metrics.close();
    for (
      const line of [
        'prkdb_raft_term{partition="all"} 7',
        'prkdb_raft_commit_index{partition="all"} 3300',
        'prkdb_store_keys{partition="all"} 2400',
        'prkdb_store_memtable_bytes{partition="all"} 42',
        'prkdb_store_fullness{partition="all"} 2',
        'prkdb_store_tables{partition="all",level="0"} 3',
        'prkdb_store_table_bytes{partition="all",level="1"} 900',
        'prkdb_raft_proposals_total{partition="all",result="refused"} 1',
        'prkdb_raft_replicas{role="leader"} 300',
      ]
    ) assert.ok(lines.includes(line), line);
    assert.not.ok(lines.some((line) => /partition="\d/.test(line)));
  }
  const metrics = new Metrics("each");
  metrics.open(source);
  assert.match(await metrics.render(), /prkdb_raft_state\{partition="299"\} 1/);
  metrics.close();
});

test("every series stands below its help and its type, and nothing is said twice", async () => {
  const lines = (await scrape()).filter((line) => line !== "");
  const typed = lines.flatMap((line) => /^# TYPE (\S+) /.exec(line)?.[1] ?? []);
  assert.is(new Set(typed).size, typed.length);
  const series = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(" ")[0]!);
  assert.is(new Set(series).size, series.length);
  for (const each of series) {
    const name = each.replace(/\{.*/, "");
    assert.ok(typed.includes(name) || typed.includes(name.replace(/_(bucket|sum|count)$/, "")), each);
  }
});

test.run();
