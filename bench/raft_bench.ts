/**
 * `deno bench` of the consensus core alone: three replicas in one process, disk and network that cost
 * nothing. A round proposes, replicates, commits and hands out.
 *
 * @module
 */

import { type Message, MultiRaft, type NodeId } from "../raft/mod.ts";

const NODES: readonly NodeId[] = [1, 2, 3];
const ENTRY = new Uint8Array(116);
const TICKS_MAX = 1_000;

for (const [groups, proposals] of [[1, 1], [1, 100], [9, 100], [100, 1]] as const) {
  const cores = NODES.map((nodeId) => bornCore(nodeId, groups));
  elect(cores, groups);
  Deno.bench({
    name: `commit ${proposals} entries in each of ${groups} groups on three replicas`,
    n: 2_000,
    fn() {
      for (let group = 1; group <= groups; group++) {
        const leader = cores.find((core) => core.status(group)?.role === "leader")!;
        for (let count = 0; count < proposals; count++) leader.propose(group, ENTRY);
      }
      settle(cores);
    },
  });
}

function bornCore(nodeId: NodeId, groups: number): MultiRaft {
  const core = new MultiRaft({ nodeId, seed: 1, electionTimeoutTicks: 10, heartbeatTicks: 1 });
  const membership = { voters: NODES, votersOutgoing: [], learners: [], learnersNext: [] };
  for (let group = 1; group <= groups; group++) {
    const restored = {
      hardState: { term: 0, vote: 0, commit: 0 },
      snapshot: { index: 0, term: 0, membership, membershipIndex: 0 },
      entries: [],
    };
    core.addGroup({ group, restored, priority: NODES });
  }
  return core;
}

function elect(cores: readonly MultiRaft[], groups: number): void {
  for (let tick = 0; tick < TICKS_MAX; tick++) {
    for (const core of cores) core.tick();
    settle(cores);
    const led = cores.flatMap((core) =>
      core.groups().filter((group) => core.status(group)?.role === "leader")
    );
    if (led.length === groups) return;
  }
  throw new Error(`No leader in every group after ${TICKS_MAX} ticks`);
}

/** Turns and deliveries until nothing is left to do. */
function settle(cores: readonly MultiRaft[]): void {
  for (let messages: readonly Message[] = turns(cores); messages.length > 0; messages = turns(cores)) {
    for (const message of messages) cores[message.to - 1]!.step(message);
  }
}

function turns(cores: readonly MultiRaft[]): readonly Message[] {
  const messages: Message[] = [];
  for (const core of cores) {
    while (core.hasReady()) {
      const batch = core.ready();
      messages.push(...batch.messages, ...batch.messagesAfterPersist);
      core.advance(batch);
    }
  }
  return messages;
}
